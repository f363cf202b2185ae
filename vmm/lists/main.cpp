// Writes a C++ source to standard output: what vmm/jail/thread_programs.hpp declares, and the programs that helper
// processes are built with. Run when Porthole is built: libseccomp takes a third as long for the lists as Porthole
// for all else until its guest runs.
#include "vmm/helper/file_calls.hpp"
#include "vmm/helper/image_calls.hpp"
#include "vmm/helper/tpm_calls.hpp"
#include "vmm/helper/user_network_calls.hpp"
#include "vmm/jail/thread_calls.hpp"
#include "vmm/kvm/kvm_requests.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <seccomp.h>
#include <span>
#include <vector>

namespace {

using devices::ThreadRole;

constexpr char const* beginning = R"(#include "vmm/helper/file_calls.hpp"
#include "vmm/helper/image_calls.hpp"
#include "vmm/helper/tpm_calls.hpp"
#include "vmm/helper/user_network_calls.hpp"
#include "vmm/jail/thread_programs.hpp"

#include <cstdint>

namespace vmm::jail {

)";

/// The body of a function or case that gives the program.
void write_program(std::span<std::byte const> program)
{
    std::cout << "    {\n        static constexpr std::uint64_t program[]{";
    for (std::size_t at = 0; at < program.size(); at += sizeof(std::uint64_t)) {
        std::uint64_t instruction = 0;
        std::memcpy(&instruction, &program[at], sizeof instruction);
        std::cout << instruction << "U,";
    }
    std::cout << "};\n        return std::as_bytes(std::span{program});\n    }\n";
}

void write_thread_programs()
{
    vmm::jail::HypervisorRequests const requests{vmm::kvm_run_requests(), vmm::kvm_interrupt_requests(),
                                                 vmm::kvm_build_requests()};
    std::cout << "std::span<std::byte const> thread_program(devices::ThreadRole role, Needs needs)\n"
                 "{\n    switch (static_cast<unsigned>(role) * 2 + (needs.servers ? 1 : 0)) {\n";
    for (unsigned role = 0; role < devices::thread_roles; ++role) {
        for (bool const servers : {false, true}) {
            std::cout << "    case " << role * 2 + (servers ? 1 : 0) << ":\n";
            write_program(vmm::jail::program_of(static_cast<ThreadRole>(role), requests, {.servers = servers}));
        }
    }
    std::cout << "    default: return {};\n    }\n}\n\n";
}

void write_names()
{
    constexpr int most_calls = 1024;
    std::cout << "std::string_view call_name(int call)\n{\n    switch (call) {\n";
    for (int call = 0; call < most_calls; ++call) {
        auto* const name = ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
        if (name) std::cout << "    case " << call << ": return \"" << name << "\";\n";
        std::free(name); // NOLINT(cppcoreguidelines-no-malloc): the library's allocation
    }
    std::cout << "    default: return \"unknown\";\n    }\n}\n\n";
}

} // namespace

int main()
try {
    std::cout << beginning;
    write_thread_programs();
    write_names();
    std::cout << "} // namespace vmm::jail\n\n"
                 "namespace vmm::helper {\n\nstd::span<std::byte const> built_file_server_program()\n{\n";
    write_program(vmm::helper::file_server_program());
    std::cout << "}\n\nstd::span<std::byte const> built_image_program()\n{\n";
    write_program(vmm::helper::image_program());
    std::cout << "}\n\nstd::span<std::byte const> built_tpm_program()\n{\n";
    write_program(vmm::helper::tpm_program());
    std::cout << "}\n\nstd::span<std::byte const> built_user_network_program()\n{\n";
    write_program(vmm::helper::user_network_program());
    std::cout << "}\n\n} // namespace vmm::helper\n" << std::flush;
    return std::cout ? EXIT_SUCCESS : EXIT_FAILURE;
} catch (std::exception const& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
}
