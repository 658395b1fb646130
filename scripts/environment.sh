# Sourced by the other scripts: one virtual environment for the checkout, made on first use.
# usage: environment EXTRA,EXTRA… [REQUIREMENTS]
environment() {
    local root extras=$1 pins=${2:-} stamp
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    venv=${EDGED_VENV:-$root/.venv}
    stamp="$venv/.installed-$(printf '%s %s' "$extras" "$root" | cat - "$root/pyproject.toml" ${pins:+"$root/$pins"} | sha256sum | cut -c1-16)"
    cd "$root" || exit 1
    [ -e "$stamp" ] && return
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "edged needs Python 3.11 or newer; this is $(python3 --version)" >&2
        exit 1
    }
    if [ ! -x "$venv/bin/python" ]; then
        echo "Making $venv …"
        python3 -m venv "$venv" || {
            system_package python3-venv
            python3 -m venv "$venv" || exit 1
        }
    fi
    echo "Installing edged[$extras] (once; a minute or two) …"
    "$venv/bin/pip" install --quiet --disable-pip-version-check \
        ${pins:+--requirement "$pins"} -e ".[$extras]" || exit 1
    touch "$stamp"
}

# Debian packages that a script cannot do without, installed where we may.
system_package() {
    local run=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null && run=(sudo)
        [ ${#run[@]} = 0 ] && { echo "please install: $*" >&2; return 1; }
    fi
    command -v apt-get >/dev/null || { echo "please install: $*" >&2; return 1; }
    "${run[@]}" apt-get update -qq && "${run[@]}" env DEBIAN_FRONTEND=noninteractive \
        sh -c "$quiet_install" install "$@" >/dev/null
}

# Brokers come with services; the tests start their own, and a bare container has nobody to start
# one (invoke-rc.d asks policy-rc.d; 101: no).
quiet_install='
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap "rm -f $policy" EXIT
        printf "#!/bin/sh\nexit 101\n" >$policy && chmod 755 $policy
    fi
    apt-get install -y -qq --no-install-recommends "$@"'
