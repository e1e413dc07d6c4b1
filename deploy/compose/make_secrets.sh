#!/bin/sh
# Makes what the fleet needs and no repository holds: passwords, a certificate for localhost, PgBouncer's users.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets/tls
[ -f .env ] || {
    echo "POSTGRES_PASSWORD=$(openssl rand -hex 16)"
    echo "READSTATE_TOKEN_SECRET=$(openssl rand -hex 32)"
} > .env
. ./.env
echo "\"readstate\" \"$POSTGRES_PASSWORD\"" > secrets/users.txt
[ -f secrets/tls/tls.crt ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    -keyout secrets/tls/tls.key -out secrets/tls/tls.crt 2>/dev/null
# The containers read them as users of their own.
chmod 755 secrets secrets/tls
chmod 644 secrets/users.txt secrets/tls/tls.crt secrets/tls/tls.key
