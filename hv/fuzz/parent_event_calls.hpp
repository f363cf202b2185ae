/// Calls by which parents and children tell each other of something, and what children do. Behind the child and the
/// number of the call:
///
///   0 SignalEventDirect: a VP, a SINT, a flag; 1 PostMessageDirect: a VP, a SINT, a type, a size
///   2 CreatePort, a doorbell: a port, a SINT, a VP; 3 DeletePort: a port
///   4 ConnectPort: a port, a connection, an address, a value, flags; 5 DisconnectPort: a connection
///   6 the child writes to memory: a VP, an address, a size, a value; 7 NotifyPortRingEmpty: a SINT
///   8 AssertVirtualInterrupt, and the older one: a type, flags, where, a vector; 9 ClearVirtualInterrupt
///   10 a child's interrupt has ended: a VP, a vector; 11 it has stopped: a VP, why, a value
///   12 SetVpRegisters: a VP, a name, a value; then GetVpRegisters
///   13 InstallIntercept: an access, a type, a value
///   14 the child writes an MSR of its own: a VP, which, a value
///   15 the parent writes into a register page that is shown: a VP, the classes, which word of it, a value
#pragma once

#include "hv/abi/direct.hpp"
#include "hv/abi/msr.hpp"
#include "hv/abi/register_page.hpp"
#include "hv/abi/virtual_interrupt.hpp"
#include "hv/fuzz/parent_call.hpp"
#include "hv/partition/child.hpp"

#include <array>
#include <cstring>
#include <span>
#include <vector>

namespace hv::fuzz {

class ParentEventCall : ParentCall {
  public:
    using ParentCall::ParentCall;

    void make(unsigned which)
    {
        using Step = void (ParentEventCall::*)();
        constexpr std::array<Step, 16> steps{&ParentEventCall::signal,
                                             &ParentEventCall::post,
                                             &ParentEventCall::create_port,
                                             &ParentEventCall::delete_port,
                                             &ParentEventCall::connect,
                                             &ParentEventCall::disconnect,
                                             &ParentEventCall::ring,
                                             &ParentEventCall::ring_empty,
                                             &ParentEventCall::assert_interrupt,
                                             &ParentEventCall::clear_interrupt,
                                             &ParentEventCall::interrupt_ended,
                                             &ParentEventCall::intercepted,
                                             &ParentEventCall::set_register,
                                             &ParentEventCall::install,
                                             &ParentEventCall::write_childs_msr,
                                             &ParentEventCall::change_registers};
        (this->*steps[which % steps.size()])();
    }

  private:
    void signal()
    {
        auto const index = vp();
        auto const sint = static_cast<std::uint8_t>(input_.below(18));
        auto const flag = static_cast<std::uint16_t>(input_.value());
        settle(with_output(abi::CallCode::SignalEventDirect, abi::SignalEventDirectInput{id_, index, 0, sint, flag}));
    }
    void post()
    {
        abi::PostMessageDirectInput in{};
        in.partition = id_;
        in.vp_index = vp();
        in.sint = static_cast<std::uint8_t>(input_.below(18));
        in.message[0] = static_cast<std::uint32_t>(input_.value());
        in.message[1] = input_.byte();
        settle(testing::call(guest_, abi::CallCode::PostMessageDirect, in));
    }

    [[nodiscard]] std::uint32_t number() { return 1 + (input_.byte() & 7U); }

    void create_port()
    {
        auto const port = number();
        auto const sint = input_.below(17);
        auto const target = input_.below(4);
        abi::PortInfo const info{abi::PortType::Doorbell, 0, sint, target == 3 ? any_vp.value : target, 0, 0, 0};
        auto const status = testing::call(guest_, abi::CallCode::CreatePortVtl,
                                          abi::CreatePortVtlInput{self_partition.value, port, 0, 0, 0, id_, info, 0});
        if (status == Status::Success) require(seat_.ports.insert(port).second, "a port is made once");
    }
    void delete_port()
    {
        auto const port = number();
        auto const status =
            testing::call(guest_, abi::CallCode::DeletePort, abi::DeletePortInput{self_partition.value, port, 0});
        require((status == Status::Success) == (seat_.ports.erase(port) != 0), "a port is deleted that is there");
    }
    void connect()
    {
        auto const port = number();
        auto const connection = number();
        auto const gpa = address();
        auto const value = input_.value();
        auto const flags = std::uint64_t{input_.byte() & 0xFU} | (value & 1) << 31;
        abi::ConnectPortVtlInput const in{
            id_, connection,          0, 0, 0, self_partition.value, port, 0, abi::PortType::Doorbell,
            0,   {gpa, value, flags}, 0};
        auto const status = testing::call(guest_, abi::CallCode::ConnectPortVtl, in);
        if (status != Status::Success) return; // what is malformed is so whoever says it
        require(is_active(), "a connection is an active child's of one's own");
        require(seat_.ports.contains(port), "what is connected is there");
        require(child_->connections.insert(connection).second, "a connection is made once");
    }
    void disconnect()
    {
        auto const connection = number();
        auto const status =
            testing::call(guest_, abi::CallCode::DisconnectPort, abi::DisconnectPortInput{id_, connection, 1});
        settle(status);
        bool const was_there = child_ && child_->connections.erase(connection) != 0;
        require(was_there == (status == Status::Success), "a connection ends that is there");
    }

    /// nullptr when there is no such VP.
    [[nodiscard]] testing::RecordingChildProcessor* processor(std::uint32_t index) const
    {
        if (!is_active() || !child_->vps.contains(index)) return nullptr;
        auto const partition = guest_.partition->registry().find(PartitionId{id_});
        auto const& machine = static_cast<testing::RecordingChildMachine const&>(*partition->child()->machine);
        return machine.processors.at(index);
    }
    /// What the child's machine tells; nullptr when there is no such VP.
    [[nodiscard]] VpSupervisor* supervisor(std::uint32_t index) const
    {
        auto const* const of = processor(index);
        return of ? of->supervisor : nullptr;
    }

    void ring()
    {
        auto* const from = supervisor(vp());
        auto const gpa = address();
        std::array<std::byte, 8> bytes{};
        auto const size = std::size_t{1} << (input_.byte() & 3U);
        auto const value = input_.value();
        std::memcpy(bytes.data(), &value, sizeof value);
        if (!from) return;
        bool const rang = from->rang(Gpa{gpa}, std::span{bytes}.first(size));
        require(!rang || !child_->connections.empty(), "only a doorbell rings");
    }
    void ring_empty()
    {
        (void)testing::call(guest_, abi::CallCode::NotifyPortRingEmpty,
                            abi::NotifyPortRingEmptyInput{input_.below(17), 0});
    }

    void assert_interrupt()
    {
        auto const type = static_cast<abi::InterruptType>(input_.below(11));
        auto const flags = std::uint32_t{input_.byte() & 7U};
        auto const where = input_.value();
        auto const vector = static_cast<std::uint32_t>(input_.value());
        settle(testing::call(guest_, abi::CallCode::AssertVirtualInterruptVtl,
                             abi::AssertVirtualInterruptVtlInput{id_, {type, flags}, where, vector, 0, 0, 0}));
        settle(testing::call(guest_, abi::CallCode::AssertVirtualInterrupt,
                             abi::AssertVirtualInterruptInput{id_, {type, flags}, where, vector, 0}));
    }
    void clear_interrupt()
    {
        settle(testing::call(guest_, abi::CallCode::ClearVirtualInterrupt, abi::ClearVirtualInterruptInput{id_}));
    }
    void interrupt_ended()
    {
        auto* const in = supervisor(vp());
        auto const vector = input_.byte();
        if (in) in->ended(vector);
    }
    void intercepted()
    {
        auto* const in = supervisor(vp());
        Intercept intercept{.kind = static_cast<Intercept::Kind>(input_.below(5))};
        auto const value = input_.value();
        intercept.port = static_cast<std::uint16_t>(value);
        intercept.msr = static_cast<std::uint32_t>(value);
        intercept.gpa = Gpa{value};
        if (in) in->intercepted(intercept);
    }

    void set_register()
    {
        abi::VpRegistersInput in{};
        in.partition = id_;
        in.vp_index = vp();
        abi::SetRegisterElement element{};
        element.name = static_cast<abi::RegisterName>(input_.value());
        element.value = {input_.value(), 0};
        settle(
            testing::status_of(testing::rep_call(guest_, abi::CallCode::SetVpRegisters, in, std::vector{element})));
        settle(testing::status_of(
            testing::rep_call(guest_, abi::CallCode::GetVpRegisters, in, std::vector{element.name})));
    }

    void install()
    {
        auto const access = std::uint32_t{input_.byte() & 7U};
        auto const type = static_cast<abi::InterceptType>(input_.value());
        settle(testing::call(guest_, abi::CallCode::InstallIntercept,
                             abi::InstallInterceptInput{id_, access, type, input_.value()}));
    }

    void write_childs_msr()
    {
        using namespace abi::msr;
        constexpr std::array<std::uint32_t, 10> msrs{
            guest_os_id, hypercall, scontrol, siefp, simp, eom, sint0, sint0 + 5, stimer0_config, stimer0_config + 1};
        auto const index = vp();
        auto const msr = msrs[input_.byte() % msrs.size()];
        auto const value = input_.value();
        if (!supervisor(index)) return;
        auto* const own = guest_.partition->registry().find(PartitionId{id_})->vp(VpIndex{index});
        (void)own->write_msr(msr, value);
    }

    void change_registers()
    {
        auto const index = vp();
        auto const classes = std::uint32_t{input_.byte()};
        auto const word = input_.below(sizeof(abi::RegisterPage) / 8);
        auto const value = input_.value();
        auto* const of = processor(index);
        auto const shown = seat_.overlays.find(Seat::state_page(id_, index, abi::VpStatePage::Registers));
        if (!of || shown == seat_.overlays.end()) return;
        auto const has = [&](abi::RegisterName first, std::uint32_t count) {
            for (std::uint32_t n = 0; n < count; ++n)
                of->fake.registers.try_emplace(static_cast<abi::RegisterName>(static_cast<std::uint32_t>(first) + n));
        };
        has(abi::RegisterName::Rax, 18);
        has(abi::RegisterName::Es, 6);
        auto* const page = guest_.ram.get() + shown->second * page_size;
        std::memcpy(page + word * 8, &value, sizeof value);
        std::memcpy(page + offsetof(abi::RegisterPage, dirty), &classes, sizeof classes);
    }
};

} // namespace hv::fuzz
