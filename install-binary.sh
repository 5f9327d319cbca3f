#!/bin/sh
# Gives helm-safe a private Python environment outside of this folder, and a launcher inside of it.
#
#   sh install-binary.sh            install or renew; Helm runs this when it installs or updates the plugin
#   sh install-binary.sh remove     undo an installation made by hand
#
# What it uses, in this order:
#   HELM_SAFE_BIN=/path/helm-safe   this program of the same version, instead of an environment of its own
#   HELM_SAFE_WHEELHOUSE=DIR        wheels in DIR, without any network; a folder `wheelhouse` beside this file likewise
#   helm-safe on the PATH           where it has the same version
#   pip                             with the index that pip is configured for
# HELM_SAFE_PYTHON names the interpreter (3.10 or newer) where `python3` is not the right one, and HELM_SAFE_EXTRAS the
# optional parts to add, e.g. "sandbox".

set -eu

# A text as one word of a shell.
quoted() { printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"; }

if [ "${1:-}" = run ]; then # how plugin.yaml starts the program; nothing slow may come before this
    shift
    launcher=${HELM_PLUGIN_DIR:-${0%/*}}/helm-safe
    [ ! -x "$launcher" ] || exec "$launcher" "$@"
    echo "Error: helm-safe is not installed completely: $launcher is missing." >&2
    echo "Run: sh $(quoted "${launcher%/*}/install-binary.sh")" >&2
    exit 2
fi

MARK='Made by install-binary.sh, which also removes it.'
umask 077

say() { echo "helm-safe: $*"; }

fail() {
    echo "Error: helm-safe: $1" >&2
    [ -z "${2:-}" ] || echo "$2" >&2
    exit 1
}

# The folder that holds everything of ours; Helm's delete hook in plugin.yaml looks in the same place.
data_home() {
    case "${XDG_DATA_HOME:-}" in
        /*) echo "$XDG_DATA_HOME/helm-safe" ;;
        *)
            [ -n "${HOME:-}" ] || fail "neither HOME nor XDG_DATA_HOME is set, so there is no place to install to"
            echo "$HOME/.local/share/helm-safe"
            ;;
    esac
}

# ---------------------------------------------------------------------------------------------------- removing

# Drop one user of an installation, and the installation with its last user. $1: its folder, $2: the plugin's folder.
forget() {
    [ -f "$1/plugins" ] || return 0
    grep -vxF -- "$2" "$1/plugins" >"$1/plugins.new" || :
    mv "$1/plugins.new" "$1/plugins"
    [ ! -s "$1/plugins" ] || return 0
    checkout=$(cat "$1/checkout")
    for made in "$checkout/helm-safe" "$checkout/plugin.complete"; do
        if [ -f "$made" ] && grep -qF "$MARK" "$made"; then rm -f -- "$made"; fi
    done
    rm -rf -- "$1"
    rmdir -- "${1%/*}" 2>/dev/null || :
}

if [ "${1:-}" = forget ]; then # only from the copy that lies in the installation itself
    forget "$(cd "${0%/*}" && pwd -P)" "$2"
    exit 0
fi

# ---------------------------------------------------------------------------------------------------- where

case "$0" in
    */*) plugin=${HELM_PLUGIN_DIR:-${0%/*}} ;;
    *) plugin=${HELM_PLUGIN_DIR:-.} ;;
esac
checkout=$(cd "$plugin" && pwd -P)
[ -n "${HELM_PLUGIN_DIR:-}" ] || plugin=$checkout
[ -f "$checkout/pyproject.toml" ] || fail "$checkout is no copy of helm-safe: pyproject.toml is missing"
version=$(sed -n 's/^version: *//p' "$checkout/plugin.yaml")
key=$(printf %s "$checkout" | cksum | tr ' ' -)
data=$(data_home)
home=$data/venv-$key

case "${1:-install}" in
    install) ;;
    remove)
        forget "$home" "$plugin"
        if [ -s "$home/plugins" ]; then
            fail "it stays for the plugin in $(cat "$home/plugins")" "Remove that with: helm plugin uninstall safe-rollback"
        fi
        say "removed"
        exit 0
        ;;
    *) fail "unknown word: $1" "Known: install remove" ;;
esac

# ---------------------------------------------------------------------------------------------------- launchers

# Write a file of ours at once. $1: path; standard input: content.
publish() {
    cat >"$1.new.$$"
    chmod 755 "$1.new.$$"
    mv -f "$1.new.$$" "$1"
}

# $1: the program, absolute; $2: the words that start helm-safe, quoted for the shell.
write_launchers() {
    publish "$checkout/helm-safe" <<END
#!/bin/sh
# $MARK
if [ ! -x $(quoted "$1") ]; then
    echo "Error: helm-safe is not installed completely:" $(quoted "$1") "is gone." >&2
    echo "Run: sh" $(quoted "$(quoted "$checkout/install-binary.sh")") >&2
    exit 2
fi
exec $2 "\$@"
END
    publish "$checkout/plugin.complete" <<END
#!/bin/sh
# $MARK
[ ! -x $(quoted "$1") ] || exec $2 __complete "\$@" 2>/dev/null
END
}

# Note who uses this installation, and keep what removes it. Run by hand for a plugin of Helm's, it adds no user.
register() {
    mkdir -p "$home"
    echo "$checkout" >"$home/checkout"
    publish "$home/install-binary.sh" <"$checkout/install-binary.sh"
    touch "$home/plugins"
    if [ -s "$home/plugins" ] && [ -z "${HELM_PLUGIN_DIR:-}" ]; then return 0; fi
    grep -qxF -- "$plugin" "$home/plugins" || echo "$plugin" >>"$home/plugins"
}

# Helm keeps a plugin whose installation failed, and asks for its removal later: so it is noted before anything fails.
[ -z "${HELM_PLUGIN_DIR:-}" ] || register

# ---------------------------------------------------------------------------------------------------- an installed one

# Whether $1 is a helm-safe of this very version, and none that this script made.
same_version() {
    case "$1" in "$checkout"/* | "$plugin"/*) return 1 ;; esac
    [ "$("$1" --version 2>/dev/null)" = "helm-safe $version" ]
}

use_installed() {
    register
    write_launchers "$1" "$(quoted "$1")"
    say "$version uses $1"
    exit 0
}

if [ -n "${HELM_SAFE_BIN:-}" ]; then
    found=$(command -v "$HELM_SAFE_BIN") || fail "HELM_SAFE_BIN=$HELM_SAFE_BIN is no program that can be run"
    case "$found" in /*) ;; *) found=$(pwd -P)/$found ;; esac
    same_version "$found" || fail "$found is not helm-safe $version" "Upgrade it, or leave HELM_SAFE_BIN unset."
    use_installed "$found"
fi

wheelhouse=${HELM_SAFE_WHEELHOUSE:-}
if [ -z "$wheelhouse" ] && [ -d "$checkout/wheelhouse" ]; then wheelhouse=$checkout/wheelhouse; fi
if [ -z "$wheelhouse" ]; then
    found=$(command -v helm-safe 2>/dev/null) || found=
    case "$found" in /*) if same_version "$found"; then use_installed "$found"; fi ;; esac
else
    [ -d "$wheelhouse" ] || fail "the wheelhouse $wheelhouse is no folder"
    wheelhouse=$(cd "$wheelhouse" && pwd -P)
fi

# ---------------------------------------------------------------------------------------------------- Python

# The absolute path behind $1 if that is a Python new enough. -I: the current folder has no say in what is imported.
interpreter() {
    found=$(command -v "$1" 2>/dev/null) || return 1
    "$found" -I -c 'import sys; print(sys.executable); sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

find_python() {
    if [ -n "${HELM_SAFE_PYTHON:-}" ]; then
        interpreter "$HELM_SAFE_PYTHON" || return 1
        return 0
    fi
    for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do
        if interpreter "$name" >/dev/null; then
            interpreter "$name"
            return 0
        fi
    done
    return 1
}

if ! python=$(find_python); then
    fail "it needs Python 3.10 or newer, and found none${HELM_SAFE_PYTHON:+ at HELM_SAFE_PYTHON=$HELM_SAFE_PYTHON}." \
        "Install one, or name it: HELM_SAFE_PYTHON=/path/python3 sh $(quoted "$checkout/install-binary.sh")"
fi

# ---------------------------------------------------------------------------------------------------- the environment

# The requirements of the list $1 of pyproject.toml, one a line; those on helm-safe itself are this very copy.
requirements() {
    sed -n "/^$1 = \[/,/^\]/s/^  \"\(.*\)\",.*\$/\1/p" "$checkout/pyproject.toml" | grep -v '^helm-safe' || :
}

all_requirements() {
    requirements dependencies
    for extra in ${HELM_SAFE_EXTRAS:-}; do
        case "$extra" in *[!a-z]*) fail "HELM_SAFE_EXTRAS: $extra is no name of an optional part" ;; esac
        [ -n "$(requirements "$extra")" ] || fail "HELM_SAFE_EXTRAS: there is no optional part $extra"
        requirements "$extra"
    done
}

# Changes with the code, what it needs and the interpreter.
fingerprint() {
    {
        all_requirements
        "$python" -I -VV
        echo "$python"
        cd "$checkout"
        find helm_safe krm_fn -type f ! -name '*.pyc' | LC_ALL=C sort | while read -r file; do cksum "$file"; done
    } | cksum | tr ' ' -
}

pip_options() {
    unset PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIRE_VIRTUALENV PIP_PYTHON
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_NO_WARN_SCRIPT_LOCATION=1
    # Compiling all modules takes longer than all the rest, and most of them are never imported.
    set -- install --quiet --no-compile -r "$1/requirements.txt"
    [ -z "$wheelhouse" ] || set -- "$@" --no-index --find-links "$wheelhouse"
    run_pip "$@"
}

# With the pip of the interpreter, else with one from the wheelhouse, else with the one that comes with Python.
run_pip() {
    carried=
    if [ -n "$wheelhouse" ]; then
        for each in "$wheelhouse"/pip-*.whl; do [ ! -f "$each" ] || carried=$each; done
    fi
    if "$python" -I -m pip --python "$new/bin/python" --version >/dev/null 2>&1; then
        "$python" -I -m pip --python "$new/bin/python" "$@"
    elif [ -n "$carried" ]; then
        "$new/bin/python" -I "$carried/pip" "$@"
    elif "$new/bin/python" -I -m ensurepip >/dev/null 2>&1; then
        "$new/bin/python" -I -m pip "$@"
    elif command -v uv >/dev/null 2>&1; then
        shift 3 # install --quiet --no-compile
        uv pip install --quiet --python "$new/bin/python" "$@"
    else
        fail "$python has neither pip nor ensurepip" "Install pip (e.g. the package python3-pip), then try again."
    fi
}

# Wheels that came with a list of checksums must match it.
check_wheelhouse() {
    [ -f "$wheelhouse/SHA256SUMS" ] || return 0
    if command -v sha256sum >/dev/null 2>&1; then set -- sha256sum; else set -- shasum -a 256; fi
    (cd "$wheelhouse" && "$@" -c SHA256SUMS >/dev/null 2>&1) || fail "a file in $wheelhouse does not match SHA256SUMS"
}

# Copy our own packages in, compile them, and import everything heavy once, which compiles what is really used.
add_ourselves() {
    site=$("$new/bin/python" -I -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
    for package in helm_safe krm_fn; do
        cp -R "$checkout/$package" "$site/"
        find "$site/$package" -name __pycache__ -prune -exec rm -rf {} +
    done
    "$new/bin/python" -I -m compileall -q "$site/helm_safe" "$site/krm_fn"
    "$new/bin/python" -I -c 'import helm_safe.cli.wiring, helm_safe.kube.cluster, helm_safe.helm.releases, helm_safe.journal
import yaml, urllib3, tenacity, jinja2, rich.console, rich.table'
}

build() {
    new=$home/building.$$
    trap 'rm -rf -- "$new"; rmdir -- "$home" "$data" 2>/dev/null || :' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    mkdir -p "$new"
    "$python" -I -m venv --without-pip "$new" || fail "$python cannot make an environment" \
        "Install the module venv (e.g. the package python3-venv), then try again."
    all_requirements >"$new/requirements.txt"
    pip_options "$new" || fail "what helm-safe needs could not be installed; pip says why above." \
        "Without a network: HELM_SAFE_WHEELHOUSE=DIR with the wheels of $(tr '\n' ' ' <"$new/requirements.txt")"
    add_ourselves || fail "the new environment does not work: see above"
    [ "$("$new/bin/python" -I -m helm_safe --version)" = "helm-safe $version" ] ||
        fail "the version of the code is not $version, which plugin.yaml tells"
    [ -d "$1" ] || mv "$new" "$1"
}

[ -z "$wheelhouse" ] || check_wheelhouse
environment=$home/env-$(fingerprint)
if [ ! -x "$environment/bin/python" ]; then
    mkdir -p "$home"
    say "installing $version for $("$python" -I -V) into $home"
    rm -rf -- "$environment" "$home"/building.*
    build "$environment"
fi
register
previous=$(cat "$home/current" 2>/dev/null) || previous=
echo "$environment" >"$home/current"
write_launchers "$environment/bin/python" "$(quoted "$environment/bin/python") -I -m helm_safe"
# A run that is under way imports from the environment that it started in: keep that one until the next renewal.
for old in "$home"/env-*; do
    [ "$old" = "$environment" ] || [ "$old" = "$previous" ] || rm -rf -- "$old"
done
[ "$("$checkout/helm-safe" --version)" = "helm-safe $version" ] || fail "the launcher does not work"
say "$version is ready"
