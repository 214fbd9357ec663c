#!/bin/sh
# Makes what the compose file needs and no repository may have: passwords, the stores' URLs, and certificates for the nodes,
# in deploy/compose/secrets. What is there already stays as it is.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
cd secrets

command -v openssl >/dev/null || { echo "openssl is needed to make passwords and certificates: install it" >&2; exit 1; }

missing() {
  [ ! -s "$1" ]
}

kept() { # keeps standard input as FILE, whole or not at all; containers' users may read it, the directory is closed to others
  cat >"$1.new"
  chmod 0644 "$1.new"
  mv "$1.new" "$1"
}

for password in postgres_password redis_password mesh_passphrase grafana_password; do
  missing "$password" && openssl rand -hex 24 | kept "$password"
done
missing postgres_url && printf 'postgresql://mesh:%s@postgres:5432/mesh\n' "$(cat postgres_password)" | kept postgres_url
missing redis_url && printf 'redis://:%s@redis:6379/0\n' "$(cat redis_password)" | kept redis_url
# Outcomes that were told must outlive the server's death, so every write is on the disk before it is answered.
missing redis.conf && printf 'requirepass %s\nappendonly yes\nappendfsync always\n' "$(cat redis_password)" | kept redis.conf

quietly() { # says what a command printed only when it failed
  said=$("$@" 2>&1) || { echo "$said" >&2; exit 1; }
}

certificates() { # an authority, and a certificate of it for both nodes
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  key="ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
  # shellcheck disable=SC2086 # several words
  quietly openssl req -x509 -newkey $key -days 3650 -subj "/CN=a2a-mesh" -keyout "$work/ca.key" -out "$work/ca.crt"
  # shellcheck disable=SC2086
  quietly openssl req -newkey $key -subj "/CN=a2a-node" -keyout "$work/tls.key" -out "$work/tls.csr"
  printf 'subjectAltName=DNS:one,DNS:two,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' >"$work/extensions"
  quietly openssl x509 -req -in "$work/tls.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days 825 \
    -extfile "$work/extensions" -out "$work/tls.crt"
  for file in ca.crt tls.key tls.crt; do kept "$file" <"$work/$file"; done
}

missing tls.crt && certificates
echo "docker compose -f deploy/compose/compose.yaml up --build --wait"
