# Sourced by the scripts beside it: where the project is, and how they complain.
# shellcheck shell=bash

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# busybox, modprobe and depmod live in sbin, which an ordinary user's PATH may lack.
PATH=$PATH:/usr/sbin:/sbin

note() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { note "$*"; exit 2; }

# need COMMAND...: stops here, saying how to get them, unless all these commands are there.
need()
{
    local command
    for command; do
        command -v "$command" > /dev/null || die "needs '$command'; get it with: $project/scripts/setup"
    done
}

# as_root COMMAND...: runs it as root, by sudo where that takes.
as_root()
{
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo "$@"
    else
        die "must be root for '$*', and there is no sudo"
    fi
}

# debian_mirror: where this machine gets Debian 12's packages from; nothing when its package lists do not say so yet.
# shellcheck disable=SC2016  # apt-get puts in what the names stand for
debian_mirror()
{
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' 'Component: main' | head -n 1
}

# use_suite SUITE FOLDER: lets apt-get and apt-cache know that suite of Debian alone, with package lists of its own in FOLDER, and
# downloads them. Ends the script when there is no such suite.
use_suite()
{
    local mirror
    [[ $(debian_mirror) ]] || as_root apt-get update --quiet >&2
    mirror=$(debian_mirror)
    [[ $mirror ]] || die "apt-get on this machine knows no mirror of Debian 12"
    mkdir -p "$2/lists/partial" "$2/archives/partial"
    touch "$2/status"
    echo "deb $mirror $1 main" > "$2/sources.list"
    cat > "$2/options" << END
Dir::Etc::SourceList "$2/sources.list";
Dir::Etc::SourceParts "-";
Dir::State "$2";
Dir::State::Status "$2/status";
Dir::Cache "$2";
Acquire::Languages "none";
APT::Sandbox::User "root";
END
    export APT_CONFIG=$2/options
    apt-get update --quiet >&2 || die "cannot get the package lists of Debian's $1; see the messages of apt-get above"
}
