unset SECURE_LOG_KEYSTORE_SEED
mkdir keys
openssl genpkey -algorithm ed25519 -out keys/checkpoint-ed25519.p8 2>/dev/null
printf '%064d\n' 3 >keys/mac.key
printf '%064d' 4 >other.key
printf 'no key\n' >nonsense.key
export SECURE_LOG_KEYSTORE_DIR=keys SECURE_LOG_MAC_LABEL=mac
quietly create-stream ledger --suite hmac-sha-256
quietly append ledger paid "10 to anna"
echo "log $(run key show checkpoint-ed25519 --name example.org/log | sed -n 's/^verifier key: //p')
quorum none" >policy.txt
run evidence entry 2 >paid.bundle
about "Only who holds the key of a stream's keyed suite can re-hash its entries."
secure-log verify-evidence --policy policy.txt <paid.bundle
secure-log verify-evidence --policy policy.txt --mac-key keys/mac.key <paid.bundle
secure-log verify-evidence --policy policy.txt --mac-key other.key --mac-key keys/mac.key --json <paid.bundle
about "Another key is as none, and the right one finds what was changed."
secure-log verify-evidence --policy policy.txt --mac-key other.key --json <paid.bundle
sed 's/10 to anna/99 to anna/' paid.bundle | secure-log verify-evidence --policy policy.txt --json
sed 's/10 to anna/99 to anna/' paid.bundle | secure-log verify-evidence --policy policy.txt --mac-key keys/mac.key --json
about "What is refused."
secure-log verify-evidence --policy policy.txt --mac-key nonsense.key <paid.bundle
secure-log verify-evidence --policy policy.txt --mac-key absent.key <paid.bundle
secure-log verify-evidence --policy policy.txt --mac-key paid.bundle <paid.bundle
secure-log verify-evidence --policy policy.txt --mac-key <paid.bundle
