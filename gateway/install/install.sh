#!/bin/sh
# Installs the Lumetry @MODE@ on a Linux host with systemd, or brings an installed one up to date. Running it again does no harm.
# The deployment that serves this file has filled in its own version and the checksum of its package.
set -eu

MODE='@MODE@'
VERSION='@VERSION@'
PACKAGE='@PACKAGE@'
PACKAGE_SHA256='@PACKAGE_SHA256@'

NAME="lumetry-$MODE"
BACKEND_URL=''
CONNECT_URL=''
TOKEN=''
COLLECTOR_URL=''
CLUSTER=''
CLUSTER_ID=''
FILE=''
PYTHON='python3'
ROOT=''
ENROLL_SECONDS=60
UNINSTALL=false

usage() {
    cat <<END
Usage: sh install-$MODE.sh --backend-url URL --enrollment-token TOKEN [options]

  --backend-url URL        the deployment, as in https://lumetry.example.org; the package comes from there
  --enrollment-token TOKEN needed until the $MODE has enrolled; LUMETRY_ENROLLMENT_TOKEN does the same and is not visible to others
  --url URL                where the $MODE connects, when that is not the backend URL: grpcs://host:port, grpc://host:port
END
    if [ "$MODE" = agent ]; then
        cat <<END
  --collector-url URL      a collector that relays for agents, as in http://collector.example.org:4319; preferred to the direct way
  --cluster NAME           display name of the cluster to join, in any letter case
  --cluster-id ID          external id of the cluster to join; not together with --cluster
END
    fi
    cat <<END
  --package FILE           the package from a file instead of from the deployment; its checksum is verified all the same
  --python PROGRAM         Python 3.11 or newer (default: python3)
  --uninstall              removes the program and its unit; its state and its user stay
  --root DIR               writes below DIR, as for an image
END
}

say() {
    printf '%s\n' "$NAME: $*"
}

fail() {
    printf '%s\n' "$NAME: $*" >&2
    exit 1
}

read_arguments() {
    TOKEN="${LUMETRY_ENROLLMENT_TOKEN:-}"
    while [ $# -gt 0 ]; do
        option="$1"
        shift
        case "$option" in
            --help | -h)
                usage
                exit 0
                ;;
            --uninstall)
                UNINSTALL=true
                continue
                ;;
        esac
        has_value=true
        case "$option" in
            --*=*)
                value="${option#*=}"
                option="${option%%=*}"
                ;;
            *)
                value="${1-}"
                if [ $# -gt 0 ]; then shift; else has_value=false; fi
                ;;
        esac
        case "$value" in
            *"
"*) fail "$option: a value has one line" ;;
        esac
        case "$MODE $option" in
            *' --backend-url') BACKEND_URL="${value%/}" ;;
            *' --enrollment-token') TOKEN="$value" ;;
            *' --url') CONNECT_URL="$value" ;;
            'agent --collector-url') COLLECTOR_URL="$value" ;;
            'agent --cluster') CLUSTER="$value" ;;
            'agent --cluster-id') CLUSTER_ID="$value" ;;
            *' --package') FILE="$value" ;;
            *' --python') PYTHON="$value" ;;
            *' --root') ROOT="${value%/}" ;;
            *' --enroll-seconds') ENROLL_SECONDS="$value" ;;
            *) fail "unknown option $option; --help shows what there is" ;;
        esac
        [ "$has_value" = true ] || fail "$option needs a value; --help shows what there is"
    done
}

set_paths() {
    HOME_FOLDER="$ROOT/usr/local/lib/$NAME"
    STATE_FOLDER="$ROOT/var/lib/$NAME"
    SETTINGS_FOLDER="$ROOT/etc/lumetry"
    SETTINGS_FILE="$SETTINGS_FOLDER/$MODE.env"
    TOKEN_FILE="$SETTINGS_FOLDER/$MODE-enrollment.env"
    UNIT_FILE="$ROOT/etc/systemd/system/$NAME.service"
    CREDENTIAL="$STATE_FOLDER/credential.json"
}

check_host() {
    [ "$(id -u)" -eq 0 ] || fail "this needs root: run it with sudo"
    command -v systemctl >/dev/null 2>&1 || fail "this host has no systemd (systemctl is missing)"
    [ -n "$ROOT" ] || [ -d /run/systemd/system ] || fail "systemd does not run this host"
}

check_arguments() {
    [ -n "$BACKEND_URL" ] || fail "--backend-url is missing; --help shows what there is"
    case "$BACKEND_URL" in
        http://?* | https://?*) ;;
        *) fail "--backend-url: $BACKEND_URL is no http:// or https:// address; --url takes the others" ;;
    esac
    case "$CONNECT_URL" in
        '' | http://?* | https://?* | grpc://?* | grpcs://?*) ;;
        *) fail "--url: expected grpc://host:port, grpcs://host:port or http(s)://host:port" ;;
    esac
    case "$COLLECTOR_URL" in
        '' | http://?* | https://?* | grpc://?* | grpcs://?*) ;;
        *) fail "--collector-url: expected http://host:port or grpc://host:port" ;;
    esac
    [ -z "$CLUSTER" ] || [ -z "$CLUSTER_ID" ] || fail "give --cluster or --cluster-id, not both"
    case "$TOKEN" in
        *[!a-z0-9_]*) fail "--enrollment-token: this is no enrollment token" ;;
        '') [ -s "$CREDENTIAL" ] || fail "--enrollment-token is missing, and this host has not enrolled yet" ;;
    esac
}

check_python() {
    command -v "$PYTHON" >/dev/null 2>&1 || fail "$PYTHON is missing: install Python 3.11 or newer, or name it with --python"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$PYTHON is older than Python 3.11"
    "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || fail "$PYTHON cannot make virtual environments: install its venv module (python3-venv)"
}

fetch_package() {
    if [ -n "$FILE" ]; then
        [ -f "$FILE" ] || fail "--package: there is no file $FILE"
        cp "$FILE" "$WORK/$PACKAGE"
    else
        say "fetching $BACKEND_URL/install/$PACKAGE"
        "$PYTHON" - "$BACKEND_URL/install/$PACKAGE" "$WORK/$PACKAGE" <<'END' || fail "the package could not be fetched"
import shutil
import sys
import urllib.error
import urllib.request

try:
    with urllib.request.urlopen(sys.argv[1], timeout=60) as answer, open(sys.argv[2], "wb") as file:
        shutil.copyfileobj(answer, file)
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"{sys.argv[1]}: {error}")
END
    fi
    found="$(sha256sum "$WORK/$PACKAGE" | cut -d ' ' -f 1)"
    [ "$found" = "$PACKAGE_SHA256" ] || fail "the package has the checksum $found, expected is $PACKAGE_SHA256; nothing was installed"
}

# Each package has a folder of its own and `current` leads to the one in use, so that a failed installation leaves the old one running.
install_package() {
    RELEASE="$HOME_FOLDER/$(printf '%.16s' "$PACKAGE_SHA256")"
    if [ -x "$RELEASE/bin/lumetry-collector" ] && [ -f "$RELEASE/complete" ]; then
        say "version $VERSION is installed already"
    else
        rm -rf "$RELEASE"
        mkdir -p "$HOME_FOLDER"
        chmod 0755 "$HOME_FOLDER"
        say "installing version $VERSION"
        "$PYTHON" -m venv "$RELEASE" || fail "the virtual environment could not be made"
        "$RELEASE/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$WORK/$PACKAGE" || {
            rm -rf "$RELEASE"
            fail "the package or what it needs could not be installed; pip says why above"
        }
        : >"$RELEASE/complete"
    fi
    ln -sfn "$(basename "$RELEASE")" "$HOME_FOLDER/current.new"
    mv -fT "$HOME_FOLDER/current.new" "$HOME_FOLDER/current"
}

remove_old_packages() {
    for folder in "$HOME_FOLDER"/*; do
        if [ -d "$folder" ] && [ ! -L "$folder" ] && [ "$folder" != "$RELEASE" ]; then
            rm -rf "$folder"
        fi
    done
}

add_user() {
    id "$NAME" >/dev/null 2>&1 && return
    useradd --system --home-dir "/var/lib/$NAME" --no-create-home --shell /usr/sbin/nologin "$NAME" || fail "the user $NAME could not be added"
}

# A line of a systemd environment file.
setting() {
    [ -n "$2" ] || return 0
    printf '%s="%s"\n' "$1" "$(printf '%s' "$2" | sed 's/[\\"`$]/\\&/g')"
}

# Replaces a file that only root may read.
write_private() {
    umask 0077
    cat >"$1.new"
    mv -f "$1.new" "$1"
    umask 0022
}

write_settings() {
    mkdir -p "$SETTINGS_FOLDER"
    {
        setting LUMETRY_URL "${CONNECT_URL:-$BACKEND_URL}"
        setting LUMETRY_COLLECTOR_URL "$COLLECTOR_URL"
        setting LUMETRY_CLUSTER "$CLUSTER"
        setting LUMETRY_CLUSTER_ID "$CLUSTER_ID"
    } | write_private "$SETTINGS_FILE"
    if [ -n "$TOKEN" ]; then
        setting LUMETRY_ENROLLMENT_TOKEN "$TOKEN" | write_private "$TOKEN_FILE"
    fi
}

start_unit() {
    mkdir -p "$(dirname "$UNIT_FILE")"
    cp "$RELEASE/share/lumetry/$NAME.service" "$UNIT_FILE"
    chmod 0644 "$UNIT_FILE"
    systemctl daemon-reload || fail "systemd does not take the unit"
    systemctl enable --quiet "$NAME" || fail "the unit could not be enabled"
    systemctl restart "$NAME" || fail "the unit could not be started: journalctl -u $NAME says why"
}

# The token has done its work as soon as there is a credential made of it.
await_enrollment() {
    [ -n "$TOKEN" ] || return 0
    waited=0
    while [ "$waited" -lt "$ENROLL_SECONDS" ]; do
        digest="$(printf '%s' "$TOKEN" | sha256sum | cut -d ' ' -f 1)"
        if grep -qs "$digest" "$CREDENTIAL"; then
            rm -f "$TOKEN_FILE"
            say "enrolled"
            return 0
        fi
        systemctl is-active --quiet "$NAME" || break
        sleep 1
        waited=$((waited + 1))
    done
    say "it has not enrolled yet: journalctl -u $NAME says why. The token waits in $TOKEN_FILE, readable by root only;"
    say "running this script again, without a token, removes it."
    return 0
}

remove_used_token() {
    if [ -z "$TOKEN" ]; then
        rm -f "$TOKEN_FILE"
    fi
}

uninstall() {
    systemctl disable --quiet --now "$NAME" 2>/dev/null || true
    rm -f "$UNIT_FILE" "$SETTINGS_FILE" "$TOKEN_FILE"
    rm -rf "$HOME_FOLDER"
    systemctl daemon-reload || true
    say "removed. Its state is still in $STATE_FOLDER and its user $NAME is still there: rm -r $STATE_FOLDER && userdel $NAME"
}

main() {
    read_arguments "$@"
    set_paths
    check_host
    if [ "$UNINSTALL" = true ]; then
        uninstall
        exit 0
    fi
    check_arguments
    check_python
    umask 0022
    WORK="$(mktemp -d)"
    trap 'rm -rf "$WORK"' EXIT
    trap 'exit 1' HUP INT TERM
    fetch_package
    install_package
    add_user
    write_settings
    remove_used_token
    start_unit
    remove_old_packages
    await_enrollment
    say "done: systemctl status $NAME"
}

main "$@"
