//! Conversions between the types of this crate and those that a generator of bindings made of wit/pkcs11.

/// Makes all conversions, given the name under which the generated module of `pkcs11:token/cryptoki` is in scope. The
/// generators of components and of hosts give the same names, so that one macro serves both.
#[macro_export]
macro_rules! wit_conversions {
    ($wit:ident) => {
        $crate::wit_return_codes!($wit);
        $crate::wit_attributes!($wit);
        $crate::wit_records!($wit; SlotInfo { slot_description, manufacturer_id, token_present, removable_device, hw_slot });
        $crate::wit_records!($wit; TokenFlags {
            rng, write_protected, login_required, user_pin_initialized, token_initialized, user_pin_count_low,
            user_pin_final_try, user_pin_locked, so_pin_count_low, so_pin_final_try, so_pin_locked
        });
        $crate::wit_records!($wit; TokenInfo {
            label, manufacturer_id, model, serial_number, min_pin_len, max_pin_len, flags
        });
        $crate::wit_records!($wit; GcmParams { iv, aad, tag_bits });
        $crate::wit_cases!($wit; UserType { So, User } {});
        $crate::wit_cases!($wit; ObjectClass { Data, Certificate, PublicKey, PrivateKey, SecretKey } { Other });
        $crate::wit_cases!($wit; KeyType { Rsa, Ec, GenericSecret, Aes, EcEdwards, Sha256Hmac } { Other });
        $crate::wit_cases!($wit; Mechanism {
            RsaPkcsKeyPairGen, EcKeyPairGen, EcEdwardsKeyPairGen, GenericSecretKeyGen, AesKeyGen, Eddsa, Ecdsa,
            Sha256Hmac, AesKeyWrapKwp
        } { RsaPkcsPss, AesGcm });
    };
}

/// Of a record, field by field.
#[doc(hidden)]
#[macro_export]
macro_rules! wit_records {
    ($wit:ident; $name:ident { $($field:ident),* }) => {
        impl From<$crate::$name> for $wit::$name {
            fn from(record: $crate::$name) -> Self {
                Self { $($field: record.$field.into()),* }
            }
        }

        impl From<$wit::$name> for $crate::$name {
            fn from(record: $wit::$name) -> Self {
                Self { $($field: record.$field.into()),* }
            }
        }
    };
}

/// Of a variant: first the cases without, then those with a value.
#[doc(hidden)]
#[macro_export]
macro_rules! wit_cases {
    ($wit:ident; $name:ident { $($case:ident),* } { $($valued:ident),* }) => {
        impl From<$crate::$name> for $wit::$name {
            fn from(value: $crate::$name) -> Self {
                match value {
                    $($crate::$name::$case => Self::$case,)*
                    $($crate::$name::$valued(inner) => Self::$valued(inner.into()),)*
                }
            }
        }

        impl From<$wit::$name> for $crate::$name {
            fn from(value: $wit::$name) -> Self {
                match value {
                    $($wit::$name::$case => Self::$case,)*
                    $($wit::$name::$valued(inner) => Self::$valued(inner.into()),)*
                }
            }
        }
    };
}
