/// A network card's backend that is the firmware's until the guest's driver for the card listens.
#pragma once

#include "devices/net/firmware_port.hpp"
#include "devices/net/frame_backend.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <utility>

namespace devices::net {

/// To the card it is the backend. The first `listen` takes that away from the firmware for good: a machine that is
/// reset is built anew, and so is this.
class LentBackend final : public FrameBackend, FrameReceiver {
  public:
    LentBackend(std::shared_ptr<FrameBackend> backend, MacAddress const& mac)
        : backend_{std::move(backend)}, firmware_{std::make_shared<FirmwarePort>(mac, backend_)}
    {}
    ~LentBackend() override;

    [[nodiscard]] std::shared_ptr<FirmwarePort> firmware() const { return firmware_; }

    [[nodiscard]] std::string description() const override { return backend_->description(); }
    [[nodiscard]] SendOffloads send_offloads() const override { return backend_->send_offloads(); }
    void start(FrameReceiver& receiver) override;
    void stop() override { backend_->stop(); }
    void quiesce(hv::StillBusy busy) override { backend_->quiesce(std::move(busy)); }
    void resume() override { backend_->resume(); }
    bool send(Offload const& offload, std::span<iovec const> frame) override
    {
        return backend_->send(offload, frame);
    }
    bool send_on(std::size_t channel, Offload const& offload, std::span<iovec const> frame) override
    {
        return backend_->send_on(channel, offload, frame);
    }
    void use_channels(std::size_t count) override { backend_->use_channels(count); }
    void listen(ReceiveOffloads offloads) override;
    void ignore() override;
    void room_again() override { backend_->room_again(); }
    [[nodiscard]] hv::vmbus::Runner* runner() override { return backend_->runner(); }
    void inspect(hv::Inspector& inspector) const override;

  private:
    [[nodiscard]] bool receive(FrameSource& source) override;
    void lost() override { card_->lost(); }

    std::shared_ptr<FrameBackend> const backend_;
    std::shared_ptr<FirmwarePort> const firmware_;
    FrameReceiver* card_ = nullptr;
};

} // namespace devices::net
