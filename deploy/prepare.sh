#!/bin/sh
# Make the secrets that docker-compose.yml mounts: database password and URL, signing keys, tokens for
# the practice profile, an empty file for the model's key (write yours into it), and an empty directory for the
# secrets of webhooks. Needs openssl.
# Usage: deploy/prepare.sh [DIRECTORY]. What is there already is never replaced, so it is safe to run again.
#
# The directory is for its owner only (0700). The files in it are readable by all (0444): Compose binds each into
# the containers that name it with the host's owner and mode, and there the reader has another user id.
set -eu
umask 077

directory=${1:-$(dirname "$0")/secrets}
# webhooks is mounted whole: what is replaced in it is seen while the API runs.
mkdir -p "$directory/webhooks"
chmod 0700 "$directory"
chmod 0755 "$directory/webhooks"
work=$(mktemp -d "$directory/.new.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Take what stands in the work directory under this name, unless there is one already.
keep() {
    if [ ! -e "$directory/$1" ]; then
        chmod 0444 "$work/$1"
        mv "$work/$1" "$directory/$1"
        echo "made $1" >&2
    fi
}

openssl rand -hex 32 >"$work/database_password"
keep database_password

printf 'postgresql://sluice:%s@postgres:5432/sluice\n' "$(cat "$directory/database_password")" >"$work/database_url"
keep database_url

for name in decision audit; do
    openssl genpkey -algorithm ed25519 -out "$work/${name}_private.pem"
    keep "${name}_private.pem"
    openssl pkey -in "$directory/${name}_private.pem" -pubout -out "$work/${name}_public.pem"
    keep "${name}_public.pem"
done

token() {
    printf 'sluice_%s' "$(openssl rand -hex 32)"
}

cat >"$work/tokens.json" <<EOF
{
  "requester": "$(token)",
  "approver": "$(token)",
  "approver2": "$(token)",
  "operator": "$(token)",
  "viewer": "$(token)",
  "alertmanager": "$(token)"
}
EOF
keep tokens.json

: >"$work/llm_api_key"
keep llm_api_key
