use_soft_token
about "A token begins with its first key, and with the security officer's PIN."
secure-log key list
secure-log key generate checkpoint-ed25519
SECURE_LOG_PKCS11_SO_PIN=the-officers-pin secure-log key generate checkpoint-ed25519
secure-log key generate kek --algorithm aes-kwp
secure-log key generate kek-2 --algorithm aes-gcm
secure-log key list
secure-log key show checkpoint-ed25519 --name example.org/log
secure-log append app line hello
about "Who has the PIN changes it, and then the old one is refused."
echo another-users-pin | secure-log key change-pin
secure-log append app line more
SECURE_LOG_PKCS11_PIN=another-users-pin secure-log append app line more
about "Whoever forgot it, or locked it, asks the security officer."
secure-log key reset-pin <<<the-users-pin
SECURE_LOG_PKCS11_SO_PIN=not-the-officers secure-log key reset-pin <<<the-users-pin
SECURE_LOG_PKCS11_SO_PIN=the-officers-pin secure-log key reset-pin --json <<<the-users-pin
secure-log verify
about "The officer's own PIN."
SECURE_LOG_PKCS11_SO_PIN=the-officers-pin secure-log key change-pin --security-officer <<<another-officers-pin
SECURE_LOG_PKCS11_SO_PIN=the-officers-pin secure-log key reset-pin <<<the-users-pin
about "What is refused."
secure-log key change-pin <<<short
secure-log key change-pin </dev/null
printf 'two\nlines\n' | secure-log key change-pin
secure-log key change-pin label <<<the-users-pin
secure-log key import raw </dev/null
secure-log key generate kek --algorithm aes-kwp
SECURE_LOG_PKCS11_PIN= secure-log key list
unset SECURE_LOG_PKCS11_PIN
secure-log key change-pin <<<the-users-pin
about "Keys in files have no PIN."
use_key_folder
secure-log key change-pin <<<the-users-pin
secure-log key reset-pin <<<the-users-pin
