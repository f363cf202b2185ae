/// The hypercalls, one function each: it has its input as a copy that nobody can change any more, and says how it
/// went. docs/architecture.md has the order of their checks; AccessDenied comes before what tells a stranger what
/// exists.
#pragma once

#include "hv/abi/port.hpp"
#include "hv/abi/status.hpp"
#include "hv/hypercall/caller.hpp"

namespace hv::calls {

[[nodiscard]] Status create_port(Caller const& caller, abi::CreatePortInput const& in);
[[nodiscard]] Status create_port_vtl(Caller const& caller, abi::CreatePortVtlInput const& in);
[[nodiscard]] Status delete_port(Caller const& caller, abi::DeletePortInput const& in);
[[nodiscard]] Status connect_port(Caller const& caller, abi::ConnectPortInput const& in);
[[nodiscard]] Status connect_port_vtl(Caller const& caller, abi::ConnectPortVtlInput const& in);
[[nodiscard]] Status disconnect_port(Caller const& caller, abi::DisconnectPortInput const& in);
[[nodiscard]] Status post_message(Caller const& caller, abi::PostMessageInput const& in);
[[nodiscard]] Status signal_event(Caller const& caller, abi::SignalEventInput const& in);
[[nodiscard]] Status get_partition_id(Caller const& caller, abi::GetPartitionIdOutput& out);

} // namespace hv::calls
