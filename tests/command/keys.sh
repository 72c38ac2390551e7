use_key_folder
secure-log key list
secure-log key generate checkpoint-ed25519
secure-log key generate p256 --algorithm ecdsa-p256
secure-log key generate mac --algorithm symmetric
secure-log key list
secure-log key show p256
secure-log key show checkpoint-ed25519 --name example.org/log
secure-log key show mac
about "A key from elsewhere, encrypted and not; 32 bytes are a symmetric key."
SECURE_LOG_IMPORT_PASSPHRASE=test secure-log key import copy <keys/p256.p8
openssl genpkey -algorithm ed25519 2>/dev/null | secure-log key import from-openssl
printf '0123456789abcdef0123456789abcdef' | secure-log key import raw
secure-log key list
about "What is refused."
secure-log key generate p256
secure-log key generate other --algorithm dsa
secure-log key generate ../other
secure-log key show nothing
SECURE_LOG_IMPORT_PASSPHRASE=wrong secure-log key import again <keys/p256.p8
secure-log key import again <keys/p256.p8
echo nonsense | secure-log key import again
head -c 100000 /dev/zero | secure-log key import again
SECURE_LOG_KEYSTORE_PASSPHRASE=wrong secure-log key show p256
SECURE_LOG_KEYSTORE_PASSPHRASE= secure-log key generate again
SECURE_LOG_KEYSTORE_DIR= secure-log key generate again
SECURE_LOG_KEYSTORE_DIR= SECURE_LOG_KEYSTORE_SEED=$(printf '%064d' 7) secure-log key list
