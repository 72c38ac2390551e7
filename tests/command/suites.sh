unset SECURE_LOG_KEYSTORE_SEED
mkdir keys
openssl genpkey -algorithm ed25519 -out keys/checkpoint-ed25519.p8 2>/dev/null
printf '%064d\n' 3 >keys/mac.key
printf '%064d\n' 4 >keys/other.key
export SECURE_LOG_KEYSTORE_DIR=keys
about "A stream of the keyed suite takes the key that SECURE_LOG_MAC_LABEL names."
secure-log create-stream ledger --suite hmac-sha-256
SECURE_LOG_MAC_LABEL=absent secure-log create-stream ledger --suite hmac-sha-256
export SECURE_LOG_MAC_LABEL=mac
secure-log create-stream ledger --suite hmac-sha-256
quietly append ledger paid "10 to anna"
secure-log verify
about "Without it, and with another one, nothing is appended, and what is there was not re-hashed."
(unset SECURE_LOG_MAC_LABEL; secure-log append ledger paid "20 to bert"; secure-log verify; secure-log read 2)
SECURE_LOG_MAC_LABEL=other secure-log append ledger paid "20 to bert"
SECURE_LOG_MAC_LABEL=other secure-log verify
SECURE_LOG_MAC_LABEL=other secure-log change-suite ledger blake3
about "A stream changes its suite from keyed to not keyed, between hash functions, and back."
for suite in sha-256 blake3 hmac-sha-256 blake3 sha-256 hmac-sha-256; do
    secure-log change-suite ledger $suite
    quietly append ledger paid "more under $suite"
done
secure-log change-suite ledger hmac-sha-256
secure-log verify
(unset SECURE_LOG_MAC_LABEL; secure-log verify)
about "A change that names another suite than was meant is found."
sed 's/"text":"blake3"/"text":"sha-256"/' audit.jsonl >changed.jsonl
secure-log verify --log changed.jsonl
about "No file of the log holds the key."
grep -q "$(cat keys/mac.key)" audit.jsonl* || say "it is not there"
