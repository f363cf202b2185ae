// A guest's memory that changes while the guest runs, on the KVM of this machine, if it has one.
#include "hv/testing/catch.hpp"
#include "vmm/kvm/kvm_hypervisor.hpp"
#include "vmm/memory/vm_memory.hpp"

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <thread>
#include <unistd.h>

using namespace vmm;

namespace {

constexpr std::size_t pages = 16;
constexpr hv::Gpa code{0x1000};
constexpr hv::Gpa counter{0x2000};

struct alignas(hv::page_size) Ram {
    std::array<std::byte, pages * hv::page_size> bytes{};
};

bool has_kvm()
{
    if (::access("/dev/kvm", R_OK | W_OK) == 0) return true;
    WARN("no /dev/kvm here that this user may open");
    return false;
}

/// A guest in real mode that does nothing but count, with code and counter in the one slot that its RAM is.
class CountingGuest {
  public:
    CountingGuest()
    {
        constexpr std::array<std::uint8_t, 7> program{0xF0, 0xFF, 0x06, 0x00, 0x20, // lock inc word [0x2000]
                                                      0xEB, 0xF9};                  // jmp back
        std::memcpy(&ram_->bytes[code.value], program.data(), program.size());
        vcpu_.set_cpuid(hypervisor_.supported_cpuid());
        auto system = vcpu_.system_registers();
        for (auto* const segment : {&system.cs, &system.ds}) {
            segment->base = 0;
            segment->selector = 0;
        }
        vcpu_.set_system_registers(system);
        Registers registers{};
        registers.rip = code.value;
        registers.rflags = rflags::always_one;
        vcpu_.set_registers(registers);
        thread_ = std::thread{[this] { run(); }};
    }
    ~CountingGuest()
    {
        ending_ = true;
        {
            EntryGate::Closed const closed{gate_}; // whoever is inside comes out
        }
        thread_.join();
    }
    CountingGuest(CountingGuest const&) = delete;
    CountingGuest& operator=(CountingGuest const&) = delete;

    [[nodiscard]] AddressSpace& space() { return space_; }
    [[nodiscard]] VmMemory& memory() { return memory_; }
    [[nodiscard]] bool lost() const { return lost_; }

    /// Waits until it has counted on. False when it cannot any more.
    [[nodiscard]] bool goes_on() const
    {
        auto const before = count();
        while (count() == before && !lost_)
            std::this_thread::yield();
        return !lost_;
    }

  private:
    [[nodiscard]] std::uint16_t count() const
    {
        return std::atomic_ref{reinterpret_cast<std::uint16_t&>(ram_->bytes[counter.value])}.load();
    }

    void run()
    {
        vcpu_.adopt_thread();
        while (!ending_ && !lost_) {
            door_.enter();
            auto const exit = ending_ ? VmExit{exits::Interrupted{}} : vcpu_.run();
            door_.leave();
            if (!std::holds_alternative<exits::Interrupted>(exit)) lost_ = true;
        }
        vcpu_.release_thread();
    }

    std::unique_ptr<Ram> const ram_ = std::make_unique<Ram>();
    KvmHypervisor const hypervisor_;
    std::unique_ptr<Vm> const vm_ = hypervisor_.create_vm({});
    EntryGate gate_;
    AddressSpace space_;
    AddressSpace::Claim const claim_ =
        space_.claim({hv::Gpa{0}, pages* hv::page_size}, {MemoryType::Ram, ram_->bytes.data()}, "RAM");
    VmMemory memory_{*vm_, space_, gate_};
    Vcpu& vcpu_{vm_->add_vcpu(0)};
    EntryGate::Door door_{gate_, vcpu_};
    std::atomic<bool> ending_{false};
    std::atomic<bool> lost_{false};
    std::thread thread_;
};

} // namespace

TEST_CASE("a guest that works in RAM does not notice that it is split and joined", "[kvm][memory]")
{
    if (!has_kvm()) return;
    CountingGuest guest;
    REQUIRE(guest.goes_on());
    for (unsigned round = 0; round < 12; ++round) {
        {
            auto const hole = guest.space().overlay({hv::Gpa{(3 + round) * hv::page_size}, hv::page_size},
                                                    {MemoryType::Hole}, "a hole");
            REQUIRE(guest.goes_on());
        }
        REQUIRE(guest.goes_on());
    }
}

TEST_CASE("what a guest writes while it runs is told, whatever becomes of its memory's slots", "[kvm][memory][dirty]")
{
    if (!has_kvm()) return;
    CountingGuest guest;
    REQUIRE(guest.goes_on());
    using Runs = std::vector<MemoryRange>;
    Runs const written{{counter, hv::page_size}};
    guest.memory().begin_log();
    REQUIRE(guest.goes_on());
    CHECK(guest.memory().take_log() == written);
    REQUIRE(guest.goes_on());
    {
        auto const hole = guest.space().overlay({hv::Gpa{0x5000}, hv::page_size}, {MemoryType::Hole}, "a hole");
        CHECK(guest.memory().take_log() == written);
        REQUIRE(guest.goes_on());
    }
    CHECK(guest.memory().take_log() == Runs{{counter, hv::page_size}, {hv::Gpa{0x5000}, hv::page_size}});
    guest.memory().end_log();
    CHECK(guest.goes_on());
}
