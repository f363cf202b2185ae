// KVM behind the hypervisor interface, where this machine has one: a guest of a few instructions in real mode.
#include "hv/testing/catch.hpp"
#include "vmm/host/unique_fd.hpp"
#include "vmm/kvm/kvm_hypervisor.hpp"

#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

using namespace vmm;

namespace {

constexpr hv::Gpa code{0x1000};
constexpr hv::Gpa data{0x2000};
constexpr std::uint8_t bell_port = 0xF5;
constexpr std::uint8_t exit_port = 0xF6;

struct alignas(hv::page_size) Ram {
    std::array<std::byte, 4 * hv::page_size> bytes{};

    [[nodiscard]] std::byte* at(hv::Gpa gpa) { return &bytes[gpa.value]; }
};

bool has_kvm()
{
    if (::access("/dev/kvm", R_OK | W_OK) == 0) return true;
    WARN("no /dev/kvm here that this user may open");
    return false;
}

/// A vCPU that begins at `code` in real mode, with flat segments.
Vcpu& add_vcpu(Vm& vm, KvmHypervisor const& hypervisor)
{
    auto& vcpu = vm.add_vcpu(0);
    vcpu.set_cpuid(hypervisor.supported_cpuid());
    auto system = vcpu.system_registers();
    for (auto* const segment : {&system.cs, &system.ds}) {
        segment->base = 0;
        segment->selector = 0;
    }
    vcpu.set_system_registers(system);
    Registers registers{};
    registers.rip = code.value;
    registers.rflags = rflags::always_one;
    vcpu.set_registers(registers);
    return vcpu;
}

/// Runs until an exit that is none of KVM's own business; on a thread of its own, because it changes its signal mask.
VmExit run(Vcpu& vcpu)
{
    VmExit exit = exits::Interrupted{};
    std::thread{[&] {
        vcpu.adopt_thread();
        while (std::holds_alternative<exits::Interrupted>(exit))
            exit = vcpu.run();
        vcpu.release_thread();
    }}.join();
    return exit;
}

} // namespace

TEST_CASE("KVM tells which pages a guest has written to, and rings doorbells without an exit", "[kvm]")
{
    if (!has_kvm()) return;
    constexpr std::array<std::uint8_t, 11> program{0xC6, 0x06,      0x00, 0x20, 0x5A, // mov byte [0x2000], 0x5A
                                                   0xE6, bell_port,                   // out bell_port, al
                                                   0xE6, exit_port,                   // out exit_port, al
                                                   0xEB, 0xFE};                       // jmp $
    auto ram = std::make_unique<Ram>();
    std::memcpy(ram->at(code), program.data(), program.size());

    KvmHypervisor const hypervisor;
    auto const vm = hypervisor.create_vm({});
    vm->map({.base = hv::Gpa{0}, .host = ram->bytes, .logs_writes = true});
    UniqueFd const bell{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    auto const doorbell = vm->add_doorbell({DoorbellAddress::Space::Port, bell_port, 1}, bell.get());
    auto& vcpu = add_vcpu(*vm, hypervisor);

    auto const exit = run(vcpu);
    REQUIRE(std::holds_alternative<exits::PortAccess>(exit));
    auto const& access = std::get<exits::PortAccess>(exit);
    CHECK(access.port == exit_port);
    CHECK(access.is_write);
    CHECK(*ram->at(data) == std::byte{0x5A});
    std::uint64_t rung = 0;
    CHECK(::read(bell.get(), &rung, sizeof rung) == sizeof rung);
    CHECK(rung == 1);

    auto const page = std::uint64_t{1} << data.value / hv::page_size;
    CHECK((vm->take_dirty_pages(hv::Gpa{0}).front() & page) == page);
    CHECK((vm->take_dirty_pages(hv::Gpa{0}).front() & page) == 0); // since the last time
    CHECK_THROWS_AS(vm->take_dirty_pages(data), HypervisorError);
}

TEST_CASE("what KVM has unmapped, or maps read-only, reaches a guest as accesses to memory", "[kvm]")
{
    if (!has_kvm()) return;
    constexpr std::array<std::uint8_t, 7> program{0xC6, 0x06, 0x00, 0x20, 0x5A, // mov byte [0x2000], 0x5A
                                                  0xEB, 0xFE};                  // jmp $
    auto ram = std::make_unique<Ram>();
    std::memcpy(ram->at(code), program.data(), program.size());
    KvmHypervisor const hypervisor;
    auto const vm = hypervisor.create_vm({});
    std::span<std::byte> const all{ram->bytes};
    vm->map({.base = hv::Gpa{0}, .host = all.first(2 * hv::page_size)});
    bool const is_rom = GENERATE(false, true);
    vm->map({.base = data, .host = all.subspan(2 * hv::page_size, hv::page_size), .read_only = is_rom});
    if (!is_rom) vm->unmap(data);
    auto& vcpu = add_vcpu(*vm, hypervisor);

    auto const exit = run(vcpu);
    REQUIRE(std::holds_alternative<exits::MmioAccess>(exit));
    auto const& access = std::get<exits::MmioAccess>(exit);
    CHECK(access.address.value == data.value);
    CHECK(access.is_write);
    REQUIRE(access.data.size() == 1);
    CHECK(access.data[0] == std::byte{0x5A});
    CHECK(*ram->at(data) == std::byte{0});
}

TEST_CASE("mappings that overlap are refused, and change nothing", "[kvm]")
{
    if (!has_kvm()) return;
    auto ram = std::make_unique<Ram>();
    KvmHypervisor const hypervisor;
    auto const vm = hypervisor.create_vm({});
    vm->map({.base = hv::Gpa{0}, .host = ram->bytes});
    CHECK_THROWS_AS(vm->map({.base = data, .host = ram->bytes}), HypervisorError);
    vm->unmap(hv::Gpa{0});
    vm->unmap(hv::Gpa{0}); // it is gone
    CHECK_NOTHROW(vm->map({.base = data, .host = ram->bytes}));
}
