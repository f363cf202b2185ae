# Sourced by what runs fuzz targets: which there are, where their corpora lie, and how they are run.
# shellcheck shell=bash
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# shellcheck disable=SC2034 # used by those who source this
fuzz_targets=(fuzz_hypercalls fuzz_msrs fuzz_partitions fuzz_parents fuzz_vmbus
    fuzz_storage fuzz_files fuzz_nbd fuzz_network fuzz_tap fuzz_user_network fuzz_user_network_link
    fuzz_services fuzz_sockets fuzz_ports fuzz_pci fuzz_firmware fuzz_tpm
    fuzz_kernels fuzz_control fuzz_helper fuzz_console fuzz_registers)

# corpus_of TARGET: the folder of its committed inputs.
corpus_of()
{
    local folder
    for folder in "$project"/{*,*/*}/fuzz/corpus/"$1"; do
        [[ ! -d $folder ]] || echo "$folder"
    done
}

# run_fuzz_target TARGET ARGUMENT...: libFuzzer's own arguments. What it finds goes to build/fuzz-findings; an input
# that takes more than 10 s is a finding too. Inputs may be as large as real ones: a ring that is full of packets, and
# of kernels the part with headers, tables and notes.
run_fuzz_target()
{
    local target=$1 findings=$project/build/fuzz-findings options=(-max_len=$((64 << 10)))
    shift
    mkdir -p "$findings"
    if [[ $target == fuzz_kernels ]]; then
        options=(-max_len=$((1 << 20)) -dict="$project/vmm/fuzz/fuzz_kernels.dict")
    fi
    ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1} \
        "$project/build/asan/$target" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$findings/$target-" \
        "${options[@]}" "$@" < /dev/null
}
