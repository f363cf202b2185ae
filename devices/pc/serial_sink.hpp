/// Where the characters of a serial device go.
#pragma once

#include <cstddef>
#include <span>

namespace devices {

class SerialSink {
  public:
    SerialSink() = default;
    SerialSink(SerialSink const&) = delete;
    SerialSink& operator=(SerialSink const&) = delete;
    virtual ~SerialSink() = default;

    /// Takes output of the guest, usually one byte at a time and in order, from any vCPU thread. The device is locked
    /// meanwhile: buffer, and wait for nothing that needs the device.
    virtual void write(std::span<std::byte const> data) = 0;

    /// The device has room again after it could not take all input that it was offered. Called without the device's
    /// lock, once for each time that it happened.
    virtual void input_drained() {}
};

} // namespace devices
