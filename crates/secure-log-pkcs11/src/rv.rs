//! `CK_RV`: what a call of a token came to.

use std::fmt;

/// Makes the enumeration, its numbers and its names out of one table.
macro_rules! return_codes {
    ($d:tt $($case:ident = $code:literal $name:literal,)*) => {
        /// `CK_RV` but for `CKR_OK`, by the names of the standard. Codes of vendors and of later revisions are kept.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the standard has the meaning of each")]
        pub enum Rv {
            $($case,)*
            Other(u64),
        }

        impl Rv {
            /// All that the standard names.
            pub const ALL: &[Rv] = &[$(Rv::$case,)*];

            /// The code in the standard.
            pub fn code(self) -> u64 {
                match self {
                    $(Rv::$case => $code,)*
                    Rv::Other(code) => code,
                }
            }

            /// The case of a code. `CKR_OK` is no failure, and has none.
            pub fn from_code(code: u64) -> Rv {
                match code {
                    $($code => Rv::$case,)*
                    other => Rv::Other(other),
                }
            }
        }

        impl fmt::Display for Rv {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Rv::$case => f.write_str($name),)*
                    Rv::Other(code) => write!(f, "CK_RV {code:#x}"),
                }
            }
        }

        /// Between this and the same variant that a generator of bindings made. Called by `wit_conversions`.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! wit_return_codes {
            ($d wit:ident) => {
                impl From<$crate::Rv> for $d wit::Rv {
                    fn from(rv: $crate::Rv) -> Self {
                        match rv {
                            $($crate::Rv::$case => Self::$case,)*
                            $crate::Rv::Other(code) => Self::Other(code),
                        }
                    }
                }

                impl From<$d wit::Rv> for $crate::Rv {
                    fn from(rv: $d wit::Rv) -> Self {
                        match rv {
                            $($d wit::Rv::$case => Self::$case,)*
                            $d wit::Rv::Other(code) => Self::from_code(code),
                        }
                    }
                }
            };
        }
    };
}

return_codes! { $
    Cancel = 0x1 "CKR_CANCEL",
    HostMemory = 0x2 "CKR_HOST_MEMORY",
    SlotIdInvalid = 0x3 "CKR_SLOT_ID_INVALID",
    GeneralError = 0x5 "CKR_GENERAL_ERROR",
    FunctionFailed = 0x6 "CKR_FUNCTION_FAILED",
    ArgumentsBad = 0x7 "CKR_ARGUMENTS_BAD",
    NoEvent = 0x8 "CKR_NO_EVENT",
    NeedToCreateThreads = 0x9 "CKR_NEED_TO_CREATE_THREADS",
    CantLock = 0xa "CKR_CANT_LOCK",
    AttributeReadOnly = 0x10 "CKR_ATTRIBUTE_READ_ONLY",
    AttributeSensitive = 0x11 "CKR_ATTRIBUTE_SENSITIVE",
    AttributeTypeInvalid = 0x12 "CKR_ATTRIBUTE_TYPE_INVALID",
    AttributeValueInvalid = 0x13 "CKR_ATTRIBUTE_VALUE_INVALID",
    ActionProhibited = 0x1b "CKR_ACTION_PROHIBITED",
    DataInvalid = 0x20 "CKR_DATA_INVALID",
    DataLenRange = 0x21 "CKR_DATA_LEN_RANGE",
    DeviceError = 0x30 "CKR_DEVICE_ERROR",
    DeviceMemory = 0x31 "CKR_DEVICE_MEMORY",
    DeviceRemoved = 0x32 "CKR_DEVICE_REMOVED",
    EncryptedDataInvalid = 0x40 "CKR_ENCRYPTED_DATA_INVALID",
    EncryptedDataLenRange = 0x41 "CKR_ENCRYPTED_DATA_LEN_RANGE",
    AeadDecryptFailed = 0x42 "CKR_AEAD_DECRYPT_FAILED",
    FunctionCanceled = 0x50 "CKR_FUNCTION_CANCELED",
    FunctionNotParallel = 0x51 "CKR_FUNCTION_NOT_PARALLEL",
    FunctionNotSupported = 0x54 "CKR_FUNCTION_NOT_SUPPORTED",
    KeyHandleInvalid = 0x60 "CKR_KEY_HANDLE_INVALID",
    KeySizeRange = 0x62 "CKR_KEY_SIZE_RANGE",
    KeyTypeInconsistent = 0x63 "CKR_KEY_TYPE_INCONSISTENT",
    KeyNotNeeded = 0x64 "CKR_KEY_NOT_NEEDED",
    KeyChanged = 0x65 "CKR_KEY_CHANGED",
    KeyNeeded = 0x66 "CKR_KEY_NEEDED",
    KeyIndigestible = 0x67 "CKR_KEY_INDIGESTIBLE",
    KeyFunctionNotPermitted = 0x68 "CKR_KEY_FUNCTION_NOT_PERMITTED",
    KeyNotWrappable = 0x69 "CKR_KEY_NOT_WRAPPABLE",
    KeyUnextractable = 0x6a "CKR_KEY_UNEXTRACTABLE",
    MechanismInvalid = 0x70 "CKR_MECHANISM_INVALID",
    MechanismParamInvalid = 0x71 "CKR_MECHANISM_PARAM_INVALID",
    ObjectHandleInvalid = 0x82 "CKR_OBJECT_HANDLE_INVALID",
    OperationActive = 0x90 "CKR_OPERATION_ACTIVE",
    OperationNotInitialized = 0x91 "CKR_OPERATION_NOT_INITIALIZED",
    PinIncorrect = 0xa0 "CKR_PIN_INCORRECT",
    PinInvalid = 0xa1 "CKR_PIN_INVALID",
    PinLenRange = 0xa2 "CKR_PIN_LEN_RANGE",
    PinExpired = 0xa3 "CKR_PIN_EXPIRED",
    PinLocked = 0xa4 "CKR_PIN_LOCKED",
    SessionClosed = 0xb0 "CKR_SESSION_CLOSED",
    SessionCount = 0xb1 "CKR_SESSION_COUNT",
    SessionHandleInvalid = 0xb3 "CKR_SESSION_HANDLE_INVALID",
    SessionParallelNotSupported = 0xb4 "CKR_SESSION_PARALLEL_NOT_SUPPORTED",
    SessionReadOnly = 0xb5 "CKR_SESSION_READ_ONLY",
    SessionExists = 0xb6 "CKR_SESSION_EXISTS",
    SessionReadOnlyExists = 0xb7 "CKR_SESSION_READ_ONLY_EXISTS",
    SessionReadWriteSoExists = 0xb8 "CKR_SESSION_READ_WRITE_SO_EXISTS",
    SignatureInvalid = 0xc0 "CKR_SIGNATURE_INVALID",
    SignatureLenRange = 0xc1 "CKR_SIGNATURE_LEN_RANGE",
    TemplateIncomplete = 0xd0 "CKR_TEMPLATE_INCOMPLETE",
    TemplateInconsistent = 0xd1 "CKR_TEMPLATE_INCONSISTENT",
    TokenNotPresent = 0xe0 "CKR_TOKEN_NOT_PRESENT",
    TokenNotRecognized = 0xe1 "CKR_TOKEN_NOT_RECOGNIZED",
    TokenWriteProtected = 0xe2 "CKR_TOKEN_WRITE_PROTECTED",
    UnwrappingKeyHandleInvalid = 0xf0 "CKR_UNWRAPPING_KEY_HANDLE_INVALID",
    UnwrappingKeySizeRange = 0xf1 "CKR_UNWRAPPING_KEY_SIZE_RANGE",
    UnwrappingKeyTypeInconsistent = 0xf2 "CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT",
    UserAlreadyLoggedIn = 0x100 "CKR_USER_ALREADY_LOGGED_IN",
    UserNotLoggedIn = 0x101 "CKR_USER_NOT_LOGGED_IN",
    UserPinNotInitialized = 0x102 "CKR_USER_PIN_NOT_INITIALIZED",
    UserTypeInvalid = 0x103 "CKR_USER_TYPE_INVALID",
    UserAnotherAlreadyLoggedIn = 0x104 "CKR_USER_ANOTHER_ALREADY_LOGGED_IN",
    UserTooManyTypes = 0x105 "CKR_USER_TOO_MANY_TYPES",
    WrappedKeyInvalid = 0x110 "CKR_WRAPPED_KEY_INVALID",
    WrappedKeyLenRange = 0x112 "CKR_WRAPPED_KEY_LEN_RANGE",
    WrappingKeyHandleInvalid = 0x113 "CKR_WRAPPING_KEY_HANDLE_INVALID",
    WrappingKeySizeRange = 0x114 "CKR_WRAPPING_KEY_SIZE_RANGE",
    WrappingKeyTypeInconsistent = 0x115 "CKR_WRAPPING_KEY_TYPE_INCONSISTENT",
    RandomSeedNotSupported = 0x120 "CKR_RANDOM_SEED_NOT_SUPPORTED",
    RandomNoRng = 0x121 "CKR_RANDOM_NO_RNG",
    DomainParamsInvalid = 0x130 "CKR_DOMAIN_PARAMS_INVALID",
    CurveNotSupported = 0x140 "CKR_CURVE_NOT_SUPPORTED",
    BufferTooSmall = 0x150 "CKR_BUFFER_TOO_SMALL",
    SavedStateInvalid = 0x160 "CKR_SAVED_STATE_INVALID",
    InformationSensitive = 0x170 "CKR_INFORMATION_SENSITIVE",
    StateUnsaveable = 0x180 "CKR_STATE_UNSAVEABLE",
    CryptokiNotInitialized = 0x190 "CKR_CRYPTOKI_NOT_INITIALIZED",
    CryptokiAlreadyInitialized = 0x191 "CKR_CRYPTOKI_ALREADY_INITIALIZED",
    MutexBad = 0x1a0 "CKR_MUTEX_BAD",
    MutexNotLocked = 0x1a1 "CKR_MUTEX_NOT_LOCKED",
    NewPinMode = 0x1b0 "CKR_NEW_PIN_MODE",
    NextOtp = 0x1b1 "CKR_NEXT_OTP",
    ExceededMaxIterations = 0x1b5 "CKR_EXCEEDED_MAX_ITERATIONS",
    FipsSelfTestFailed = 0x1b6 "CKR_FIPS_SELF_TEST_FAILED",
    LibraryLoadFailed = 0x1b7 "CKR_LIBRARY_LOAD_FAILED",
    PinTooWeak = 0x1b8 "CKR_PIN_TOO_WEAK",
    PublicKeyInvalid = 0x1b9 "CKR_PUBLIC_KEY_INVALID",
    FunctionRejected = 0x200 "CKR_FUNCTION_REJECTED",
    TokenResourceExceeded = 0x201 "CKR_TOKEN_RESOURCE_EXCEEDED",
    OperationCancelFailed = 0x202 "CKR_OPERATION_CANCEL_FAILED",
    KeyExhausted = 0x203 "CKR_KEY_EXHAUSTED",
    Pending = 0x204 "CKR_PENDING",
    SessionAsyncNotSupported = 0x205 "CKR_SESSION_ASYNC_NOT_SUPPORTED",
    SeedRandomRequired = 0x206 "CKR_SEED_RANDOM_REQUIRED",
    OperationNotValidated = 0x207 "CKR_OPERATION_NOT_VALIDATED",
    TokenNotInitialized = 0x208 "CKR_TOKEN_NOT_INITIALIZED",
    ParameterSetNotSupported = 0x209 "CKR_PARAMETER_SET_NOT_SUPPORTED",
}

impl std::error::Error for Rv {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_one_case_and_unknown_ones_are_kept() {
        assert_eq!(Rv::from_code(0xa4), Rv::PinLocked);
        assert_eq!(Rv::PinLocked.to_string(), "CKR_PIN_LOCKED");
        for code in (0..0x300).chain([0x8000_0001, u64::MAX]) {
            assert_eq!(Rv::from_code(code).code(), code);
        }
    }
}
