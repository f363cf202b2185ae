/// The guest's driver of an integration service, as far as tests need one.
#pragma once

#include "devices/testing/vmbus_channel.hpp"
#include "devices/vmbus/services/service.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/saved_state.hpp"

#include <map>
#include <string>

namespace devices::vmbus::testing {

struct Question {
    ic::PipeHeader pipe;
    ic::Header header;
    std::vector<std::byte> body; ///< of the size that the header tells

    template <typename T>
    [[nodiscard]] T as() const
    {
        T out{};
        REQUIRE(body.size() >= sizeof(T));
        std::memcpy(&out, body.data(), sizeof(T));
        return out;
    }
};

template <typename T>
std::vector<std::byte> bytes_of(T const& value)
{
    auto const span = std::as_bytes(std::span{&value, 1});
    return {span.begin(), span.end()};
}

class IcGuest {
  public:
    hv::testing::CrankedExecutor executor;
    std::shared_ptr<devices::testing::DeviceChannel> channel;

    /// The guest opens the channel.
    void open(std::shared_ptr<Service> const& service)
    {
        service_ = service;
        channel = std::make_shared<devices::testing::DeviceChannel>(4);
        channel->connect(service.get());
        service->open(channel);
    }

    /// And agrees on these versions.
    void open(std::shared_ptr<Service> const& service, ic::Version message, ic::Version framework = {3, 0})
    {
        open(service);
        accept(message, framework);
    }

    void accept(ic::Version message, ic::Version framework = {3, 0})
    {
        auto const question = next();
        REQUIRE(question);
        REQUIRE(question->header.type == ic::MessageType::Negotiate);
        struct {
            ic::Negotiate counts;
            ic::Version versions[2];
        } const body{{1, 1, 0}, {framework, message}};
        answer(*question, ic::status::success, bytes_of(body));
    }

    /// From now on the guest finds this service, with the state of the other, at the other end of its channel.
    void go_on_with(std::shared_ptr<Service> const& other)
    {
        hv::testing::SavedState saved;
        service_->quiesce({});
        saved.save(*service_);
        other->quiesce({});
        other->open(channel);
        saved.restore(*other);
        channel->connect(other.get());
        service_ = other;
        service_->resume();
        executor.crank();
    }

    std::optional<Question> next() const
    {
        auto const packet = channel->receive();
        if (!packet) return std::nullopt;
        Question question{packet->as<ic::PipeHeader>(), packet->as<ic::Header>(sizeof(ic::PipeHeader)), {}};
        auto const from = sizeof(ic::PipeHeader) + sizeof(ic::Header);
        REQUIRE(packet->payload.size() >= from + question.header.size);
        auto const begin = packet->payload.begin() + static_cast<std::ptrdiff_t>(from);
        question.body.assign(begin, begin + question.header.size);
        return question;
    }

    void answer(Question const& question, std::uint32_t status, std::vector<std::byte> const& body) const
    {
        auto header = question.header;
        header.flags = ic::flags::transaction | ic::flags::response;
        header.status = status;
        header.size = static_cast<std::uint16_t>(body.size());
        send(question.pipe, header, body);
    }

    void send(ic::PipeHeader const& pipe, ic::Header const& header, std::vector<std::byte> const& body) const
    {
        auto payload = bytes_of(pipe);
        auto const middle = bytes_of(header);
        payload.insert(payload.end(), middle.begin(), middle.end());
        payload.insert(payload.end(), body.begin(), body.end());
        REQUIRE(channel->send(payload));
    }

  private:
    std::shared_ptr<Service> service_;
};

/// Keeps what a device says of itself.
struct Values final : hv::Inspector {
    std::map<std::string, std::string, std::less<>> values;

    void enter(std::string_view) override {}
    void leave() override {}
    void number(std::string_view name, std::uint64_t value) override { text(name, std::to_string(value)); }
    void text(std::string_view name, std::string_view value) override { values[std::string{name}] = value; }
    void flag(std::string_view name, bool value) override { text(name, value ? "yes" : "no"); }
};

inline std::string inspected(Service const& service, std::string_view name)
{
    Values values;
    service.inspect(values);
    auto const found = values.values.find(name);
    return found == values.values.end() ? "" : found->second;
}

} // namespace devices::vmbus::testing
