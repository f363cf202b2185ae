/// The signal that takes a vCPU thread out of the guest. It may arrive at any moment: the handler leaves a mark in
/// the thread's run page that makes the next KVM_RUN return at once, so none is lost (KVM_CAP_IMMEDIATE_EXIT).
#pragma once

#include <csignal>

struct kvm_run;

namespace vmm::kick_signal {

[[nodiscard]] int number();

/// Installs the handler for the process. Called before the first vCPU thread starts.
void install();

/// Makes the calling thread a vCPU thread: it takes this signal, and none but
/// those of a crash besides. nullptr when it ends.
void adopt_thread(kvm_run* run);

/// `thread` is a kernel thread ID of this process; one that has ended, or 0, is fine.
void send(int thread);

} // namespace vmm::kick_signal
