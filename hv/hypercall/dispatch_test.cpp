/// The hypercall interface itself: control word, parameter blocks, fast calls (TLFS 2.0a chapter 4).
#include "hv/hypercall/call_info.hpp"
#include "hv/hypercall/dispatch.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"

#include <set>

using namespace hv;
using namespace hv::testing;
using abi::CallCode;

namespace {

constexpr std::uint64_t fast = 1 << 16;

struct RecordingTracer final : QuietTracer {
    struct Call {
        std::uint64_t control;
        std::string name;
        std::vector<std::byte> input;
        std::uint64_t result;
    };
    std::vector<Call> calls;

    void hypercall(VpIndex, abi::Control control, char const* name, std::span<std::byte const> input,
                   std::uint64_t result) override
    {
        calls.push_back({control.word, name ? name : "", {input.begin(), input.end()}, result});
    }
};

struct CallingGuest {
    PartitionRegistry registry;
    RecordingTracer tracer;
    TestGuest guest;

    explicit CallingGuest(Rights rights = Rights::root())
        : guest{registry, rights, 1, PartitionRegistry::root_id, std::uint64_t{1} << 20, &tracer}
    {}

    [[nodiscard]] std::uint64_t raw(std::uint64_t control, std::uint64_t input = 0, std::uint64_t output = 0) const
    {
        return dispatch(guest.vp(), {{control}, input, output});
    }
    [[nodiscard]] Status operator()(std::uint64_t control, std::uint64_t input = 0, std::uint64_t output = 0) const
    {
        return status_of(raw(control, input, output));
    }
};

constexpr auto code(CallCode c)
{
    return static_cast<std::uint64_t>(c);
}

} // namespace

TEST_CASE("every unknown call code is INVALID_HYPERCALL_CODE, slow and fast (TLFS 2.0a 4.11.3)", "[hypercall]")
{
    CallingGuest const g;
    std::set<std::uint64_t> known;
    for (auto const& call : call_table())
        known.insert(code(call.code));
    CHECK(known == std::set<std::uint64_t>{0x08, 0x0B, 0x15, 0x40, 0x41, 0x42, 0x43,  0x44,  0x45,  0x46, 0x47, 0x48,
                                           0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F,  0x50,  0x51,  0x52, 0x53, 0x54,
                                           0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x5B,  0x5C,  0x5D,  0x6D, 0x6E, 0x70,
                                           0x8B, 0x90, 0x91, 0x92, 0x94, 0x95, 0x96,  0x99,  0x9A,  0xAC, 0xC0, 0xC1,
                                           0xC9, 0xE1, 0xE2, 0xE3, 0xE4, 0xF4, 0x101, 0x131, 0x8001});
    for (std::uint64_t c = 0; c <= 0xFFFF; ++c) {
        if (known.contains(c)) continue;
        if (g(c) != Status::InvalidHypercallCode || g(c | fast) != Status::InvalidHypercallCode) FAIL("code " << c);
    }
}

TEST_CASE("the call table: no code twice, sizes as documented (TLFS 2.0a 14.9, newest pages)", "[hypercall]")
{
    struct Sizes {
        CallCode code;
        unsigned input, output;
    };
    constexpr Sizes documented[]{
        {CallCode::GetPartitionId, 0, 8},
        {CallCode::CreatePort, 48, 0},
        {CallCode::DeletePort, 16, 0},
        {CallCode::ConnectPort, 40, 0},
        {CallCode::DisconnectPort, 16, 0},
        {CallCode::PostMessage, 256, 0},
        {CallCode::SignalEvent, 8, 0},
        {CallCode::AssertVirtualInterrupt, 32, 0},
        {CallCode::AssertVirtualInterruptVtl, 32, 0},
        {CallCode::ClearVirtualInterrupt, 8, 0},
        {CallCode::CreatePortVtl, 56, 0},
        {CallCode::ConnectPortVtl, 72, 0},
        {CallCode::GetVpIndexFromApicId, 16, 0},
        {CallCode::GetVpRegisters, 16, 0},
        {CallCode::StartVirtualProcessor, 240, 0},
        {CallCode::SetVpRegisters, 16, 0},
        {CallCode::NotifyLongSpinWait, 8, 0},
        {CallCode::SendSyntheticClusterIpi, 16, 0},
        {CallCode::SendSyntheticClusterIpiEx, 24, 0},
        {CallCode::GetPartitionProperty, 16, 8},
        {CallCode::ExtQueryCapabilities, 0, 8},
        {CallCode::GetPartitionPropertyEx, 24, 16},
        {CallCode::CreatePartition, 56, 8},
        {CallCode::InitializePartition, 8, 0},
        {CallCode::FinalizePartition, 8, 0},
        {CallCode::DeletePartition, 8, 0},
        {CallCode::SetPartitionProperty, 24, 0},
        {CallCode::GetNextChildPartition, 16, 8},
        {CallCode::DepositMemory, 8, 0},
        {CallCode::WithdrawMemory, 16, 0},
        {CallCode::GetMemoryBalance, 16, 16},
        {CallCode::MapGpaPages, 24, 0},
        {CallCode::UnmapGpaPages, 24, 0},
        {CallCode::InstallIntercept, 24, 0},
        {CallCode::CreateVp, 40, 0},
        {CallCode::DeleteVp, 16, 0},
        {CallCode::MapVpStatePage, 24, 8},
        {CallCode::UnmapVpStatePage, 16, 0},
        {CallCode::NotifyPortRingEmpty, 8, 0},
        {CallCode::GetGpaPagesAccessStates, 24, 0},
        {CallCode::RegisterInterceptResult, 64, 0},
        {CallCode::UnregisterInterceptResult, 32, 0},
        {CallCode::GetVpCpuidValues, 24, 0},
        {CallCode::GetVpState, 40, 200},
        {CallCode::SetVpState, 40, 0},
        {CallCode::SignalEventDirect, 16, 8},
        {CallCode::PostMessageDirect, 280, 0},
        {CallCode::MapSparseGpaPages, 16, 0},
        {CallCode::ModifySparseGpaPages, 16, 0},
        {CallCode::UnmapStatsPage, 24, 0},
        {CallCode::MapStatsPage2, 32, 0},
        {CallCode::TranslateVirtualAddress, 32, 16},
        {CallCode::TranslateVirtualAddressEx, 32, 64},
        {CallCode::ReadGpa, 32, 24},
        {CallCode::WriteGpa, 48, 8},
        {CallCode::GetPortProperty, 24, 8},
        {CallCode::SetPortProperty, 32, 8},
    };
    REQUIRE(call_table().size() == std::size(documented));
    for (auto const& expected : documented) {
        auto const found = std::ranges::find(call_table(), expected.code, &CallInfo::code);
        REQUIRE(found != call_table().end());
        CHECK(found->input_size == expected.input);
        CHECK(found->output_size == expected.output);
    }
}

TEST_CASE("every reserved bit and rep field of the input value: INVALID_HYPERCALL_INPUT (TLFS 2.0a 4.7, 4.11.3)",
          "[hypercall]")
{
    CallingGuest const g;
    for (auto const& call : call_table()) {
        if (call.kind != CallInfo::Kind::Simple) continue; // list_calls_test.cpp
        for (unsigned bit = 17; bit < 64; ++bit) { // variable header, reserved, Is Nested, rep count and start
            INFO(call.name << " bit " << bit);
            auto const control = code(call.code) | std::uint64_t{1} << bit;
            CHECK(g(control, place::input, place::output) == Status::InvalidHypercallInput);
            CHECK(g(control | fast) == Status::InvalidHypercallInput);
        }
    }
}

TEST_CASE("the result value has the status in its low 16 bits and nothing else for a simple call (TLFS 2.0a 4.8)",
          "[hypercall]")
{
    CallingGuest const g;
    CHECK(g.raw(0x1234) == 2);
    CHECK(g.raw(code(CallCode::GetPartitionId), 0, place::output) == 0);
    CHECK(g.raw(code(CallCode::DeletePort) | fast, self_partition.value, 9) == 0x11);
}

TEST_CASE("parameter blocks: alignment, page crossing, bounds (TLFS 2.0a 4.6, 4.11.3)", "[hypercall]")
{
    CallingGuest const g;
    auto const control = code(CallCode::PostMessage); // 256 bytes of input
    constexpr auto end = TestGuest::pages * page_size;

    CHECK(g(control, place::input) == Status::InvalidParameter);                   // read: message type 0
    CHECK(g(control, place::input + page_size - 256) == Status::InvalidParameter); // up to the page's end
    for (std::uint64_t offset = 1; offset < 8; ++offset)
        CHECK(g(control, place::input + offset) == Status::InvalidAlignment);
    for (std::uint64_t bytes = 8; bytes < 256; bytes += 8)
        CHECK(g(control, place::input + page_size - bytes) == Status::InvalidAlignment);
    CHECK(g(control, end - 256) == Status::InvalidParameter);
    for (auto const outside : {end, end + page_size, std::uint64_t{0xFEC0'0000}, std::uint64_t{1} << 52,
                               std::uint64_t{1} << 63, 0xFFFF'FFFF'FFFF'F000, 0xFFFF'FFFF'FFFF'FFF8})
        CHECK(g(control, outside) == Status::InvalidAlignment);
}

TEST_CASE("output goes to memory only on success, and only as much as there is (TLFS 2.0a 4.6, 4.11.1)",
          "[hypercall]")
{
    CallingGuest const g;
    auto const control = code(CallCode::GetPartitionId);
    std::fill_n(g.guest.ram.get() + place::output, page_size, std::byte{0xEE});

    REQUIRE(g(control, 0x1237 /* no input: ignored */, place::output + 16) == Status::Success);
    std::uint64_t id{};
    REQUIRE(g.guest.memory.read(Gpa{place::output + 16}, id));
    CHECK(id == g.guest.partition->id().value);
    for (std::size_t i = 0; i < page_size; ++i)
        CHECK((i >= 16 && i < 24) == (g.guest.ram[place::output + i] != std::byte{0xEE} || (i >= 16 && i < 24)));

    CHECK(g(control, 0, place::output + 4) == Status::InvalidAlignment);
    CHECK(g(control, 0, TestGuest::pages * page_size) == Status::InvalidAlignment);
    CHECK(g(control, 0, 0xFFFF'FFFF'FFFF'FFF8) == Status::InvalidAlignment);

    auto rights = Rights::root();
    rights.set(Privilege::AccessPartitionId, false);
    CallingGuest const denied{rights};
    std::fill_n(denied.guest.ram.get() + place::output, 8, std::byte{0xEE});
    CHECK(denied(control, 0, place::output) == Status::AccessDenied);
    CHECK(denied.guest.ram[place::output] == std::byte{0xEE});
}

TEST_CASE("an output pointer is ignored where there is no output (TLFS 2.0a 4.6)", "[hypercall]")
{
    CallingGuest const g;
    CHECK(g(code(CallCode::DeletePort), place::input, 0xFFFF'FFFF'FFFF'FFFF) == Status::InvalidPartitionId);
}

TEST_CASE("fast calls take their input from the registers (TLFS 2.0a 4.7)", "[hypercall]")
{
    CallingGuest const g;
    CHECK(g(code(CallCode::DeletePort) | fast, self_partition.value, 5) == Status::InvalidPortId);
    CHECK(g(code(CallCode::DeletePort) | fast, 999, 5) == Status::InvalidPartitionId);
    CHECK(g(code(CallCode::SignalEvent) | fast, 7, 0xFFFF'FFFF'FFFF'FFFF) == Status::InvalidConnectionId);
    CHECK(g(code(CallCode::SignalEvent) | fast, std::uint64_t{1} << 63) == Status::InvalidParameter);
}

TEST_CASE("a call with output, or with more input than the registers hold, is not fast (TLFS 2.0a 4.7, 4.7.1)",
          "[hypercall]")
{
    CallingGuest const g;
    CHECK(g(code(CallCode::GetPartitionId) | fast, 0, place::output) == Status::InvalidHypercallInput);
    CHECK(g(code(CallCode::PostMessage) | fast, place::input) == Status::InvalidHypercallInput);
}

TEST_CASE("XMM fast input: RDX, R8, then XMM0 to XMM5 (TLFS 2.0a 4.7.1)", "[hypercall]")
{
    Fabric const fabric;
    auto const through_xmm = [](TestGuest const& guest, CallCode call, auto const& input) {
        std::array<std::uint64_t, 14> block;
        block.fill(~std::uint64_t{0}); // what lies behind the input is ignored
        std::memcpy(block.data(), &input, sizeof input);
        std::memcpy(guest.controls[0]->xmm.data(), block.data() + 2, 96);
        return fast_call(guest, call, block[0], block[1]);
    };
    constexpr auto self = self_partition.value;

    CHECK(through_xmm(fabric.receiver, CallCode::CreatePort,
                      abi::CreatePortInput{self, 1, 0, fabric.sender_id(), message_port(1)}) == Status::Success);
    CHECK(through_xmm(fabric.receiver, CallCode::CreatePortVtl,
                      abi::CreatePortVtlInput{self, 2, 0, 0, 0, fabric.sender_id(), message_port(1), 0}) ==
          Status::Success);
    CHECK(through_xmm(fabric.sender, CallCode::ConnectPort,
                      abi::ConnectPortInput{self, 1, 0, fabric.receiver_id(), 1, 0, abi::PortType::Message, 0}) ==
          Status::Success);
    CHECK(through_xmm(fabric.sender, CallCode::ConnectPortVtl,
                      abi::ConnectPortVtlInput{
                          self, 2, 0, 0, 0, fabric.receiver_id(), 2, 0, abi::PortType::Message, 0, {}, 0}) ==
          Status::Success);
}

TEST_CASE("XMM fast input that CPUID does not offer is refused; two registers still do (TLFS 2.0a 4.7.1)",
          "[hypercall]")
{
    auto rights = Rights::root();
    rights.set(Feature::XmmInput, false);
    CallingGuest const g{rights};
    CHECK(g(code(CallCode::CreatePort) | fast, self_partition.value, 1) == Status::InvalidHypercallInput);
    CHECK(g(code(CallCode::DeletePort) | fast, self_partition.value, 1) == Status::InvalidPortId);
}

TEST_CASE("HvGetPartitionId (TLFS 2.0a appendix A): the caller's ID, for who may know it", "[hypercall]")
{
    CallingGuest const ordinary{Rights::ordinary()};
    CHECK(ordinary(code(CallCode::GetPartitionId), 0, place::output) == Status::AccessDenied);
}

TEST_CASE("an ordinary guest may post and signal, and do nothing else", "[hypercall]")
{
    CallingGuest const g{Rights::ordinary()};
    CHECK(call(g.guest, CallCode::PostMessage, message_input(1, 1)) == Status::InvalidConnectionId);
    CHECK(call(g.guest, CallCode::SignalEvent, abi::SignalEventInput{1, 0, 0}) == Status::InvalidConnectionId);
    CHECK(call(g.guest, CallCode::CreatePort, abi::CreatePortInput{self_partition.value, 1, 0, 1, message_port(1)}) ==
          Status::AccessDenied);
    CHECK(fast_call(g.guest, CallCode::DeletePort, self_partition.value, 1) == Status::AccessDenied);
    CHECK(call(g.guest, CallCode::ConnectPort,
               abi::ConnectPortInput{self_partition.value, 1, 0, 1, 1, 0, abi::PortType::Message, 0}) ==
          Status::AccessDenied);
    CHECK(fast_call(g.guest, CallCode::DisconnectPort, self_partition.value, 1) == Status::AccessDenied);
}

TEST_CASE("the tracer is told of every call: control, name, input, result", "[hypercall]")
{
    CallingGuest g;
    abi::SignalEventInput const input{7, 3, 0};
    (void)call(g.guest, CallCode::SignalEvent, input);
    (void)g(0x1234);
    (void)g(code(CallCode::DeletePort), 1); // misaligned: the input was not read

    REQUIRE(g.tracer.calls.size() == 3);
    auto const& first = g.tracer.calls[0];
    CHECK(first.control == 0x5D);
    CHECK(first.name == "HvSignalEvent");
    CHECK(first.result == 0x12);
    REQUIRE(first.input.size() == sizeof input);
    CHECK(std::memcmp(first.input.data(), &input, sizeof input) == 0);
    CHECK(g.tracer.calls[1].name.empty());
    CHECK(g.tracer.calls[1].input.empty());
    CHECK(g.tracer.calls[1].result == 2);
    CHECK(g.tracer.calls[2].name == "HvDeletePort");
    CHECK(std::ranges::all_of(g.tracer.calls[2].input, [](auto b) { return b == std::byte{0}; }));
}

TEST_CASE("each input is read once: what the guest changes meanwhile is not seen (TLFS 2.0a 4.4)", "[hypercall]")
{
    // The tracer runs after the call; what it is shown is the copy that was judged, not the memory as it is now.
    CallingGuest g;
    struct Changer final : QuietTracer {
        TestGuest* guest = nullptr;
        std::uint32_t shown = 0;
        void hypercall(VpIndex, abi::Control, char const*, std::span<std::byte const> input, std::uint64_t) override
        {
            (void)guest->memory.write(Gpa{place::input}, ~std::uint64_t{0});
            std::memcpy(&shown, input.data(), sizeof shown);
        }
    } changer;
    TestGuest guest{g.registry, Rights::root(), 1, PartitionRegistry::root_id, 1 << 20, &changer};
    changer.guest = &guest;
    (void)call(guest, CallCode::SignalEvent, abi::SignalEventInput{7, 3, 0});
    CHECK(changer.shown == 7);
}
