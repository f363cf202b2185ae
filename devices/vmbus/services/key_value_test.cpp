#include "devices/vmbus/services/key_value.hpp"
#include "devices/vmbus/services/testing/ic_guest.hpp"
#include "devices/vmbus/services/utf16.hpp"

using namespace devices::vmbus;
using namespace std::chrono_literals;
using testing::bytes_of;
using testing::IcGuest;
using testing::Question;
using Error = KeyValueService::Error;
using Pool = KeyValueService::Pool;

namespace {

void put(std::span<std::byte> field, std::string_view text)
{
    auto const units = to_utf16(text);
    std::memcpy(field.data(), units.c_str(), (units.size() + 1) * 2);
}

struct Setting {
    IcGuest guest;
    std::shared_ptr<KeyValueService> service = std::make_shared<KeyValueService>(guest.executor);
    std::vector<KeyValueService::Result> results;
    KeyValueService::Callback keep = [this](auto const& result) { results.push_back(result); };

    Setting() { guest.open(service, {4, 0}); }

    /// Answers an enumeration as Linux does, in place.
    void answer_pair(Question const& question, std::string_view key, std::string_view value) const
    {
        auto message = question.as<key_value::EnumerateMessage>();
        message.value.type = key_value::ValueType::String;
        put(message.value.key, key);
        put(message.value.value, value);
        message.value.key_size = static_cast<std::uint32_t>(2 * (key.size() + 1));
        message.value.value_size = static_cast<std::uint32_t>(2 * (value.size() + 1));
        guest.answer(question, ic::status::success, bytes_of(message));
    }

    Question next() const
    {
        auto const question = guest.next();
        REQUIRE(question);
        return *question;
    }
};

} // namespace

TEST_CASE("the host reads a pool one index after the other", "[services][kvp]")
{
    Setting s;
    s.service->enumerate(Pool::Auto, 5s, s.keep);
    std::vector<KeyValueService::Pair> const pairs{{"FullyQualifiedDomainName", "guest.example"},
                                                   {"OSName", "Debian GNU/Linux"},
                                                   {"ProcessorArchitecture", "x86_64"}};
    for (std::uint32_t i = 0; i < pairs.size(); ++i) {
        auto const question = s.next();
        CHECK(question.header.type == ic::MessageType::KeyValue);
        auto const message = question.as<key_value::EnumerateMessage>();
        CHECK(message.header.operation == key_value::Operation::Enumerate);
        CHECK(message.header.pool == Pool::Auto);
        CHECK(message.index == i);
        s.answer_pair(question, pairs[i].key, pairs[i].value);
    }
    CHECK(s.results.empty());
    s.guest.answer(s.next(), ic::status::no_more_items, {});
    REQUIRE(s.results.size() == 1);
    CHECK(s.results[0].error == Error::None);
    CHECK(s.results[0].pairs == pairs);
}

TEST_CASE("numbers become text", "[services][kvp]")
{
    Setting s;
    s.service->enumerate(Pool::Guest, 5s, s.keep);
    auto question = s.next();
    auto message = question.as<key_value::EnumerateMessage>();
    put(message.value.key, "a");
    message.value.key_size = 4;
    message.value.type = key_value::ValueType::Number32;
    message.value.value_size = 4;
    message.value.value[0] = std::byte{0x39};
    message.value.value[1] = std::byte{0x30};
    s.guest.answer(question, ic::status::success, bytes_of(message));
    question = s.next();
    message.value.type = key_value::ValueType::Number64;
    message.value.value[7] = std::byte{0x80};
    s.guest.answer(question, ic::status::success, bytes_of(message));
    s.guest.answer(s.next(), ic::status::no_more_items, {});
    REQUIRE(s.results.size() == 1);
    CHECK(s.results[0].pairs[0].value == "12345");
    CHECK(s.results[0].pairs[1].value == "9223372036854788153");
}

TEST_CASE("the host sets and deletes values", "[services][kvp]")
{
    Setting s;
    s.service->set(Pool::External, "colour", "grün", 5s, s.keep);
    auto const set = s.next().as<key_value::SetMessage>();
    CHECK(set.header.operation == key_value::Operation::Set);
    CHECK(set.header.pool == Pool::External);
    CHECK(set.value.type == key_value::ValueType::String);
    CHECK(set.value.key_size == 14);
    CHECK(set.value.value_size == 10);
    CHECK(from_utf16(set.value.key) == "colour");
    CHECK(from_utf16(set.value.value) == "grün");
    CHECK(s.results.empty());
}

TEST_CASE("whether the guest took a value is told", "[services][kvp]")
{
    Setting s;
    s.service->remove(Pool::External, "colour", 5s, s.keep);
    auto const question = s.next();
    auto const message = question.as<key_value::DeleteMessage>();
    CHECK(message.header.operation == key_value::Operation::Delete);
    CHECK(from_utf16(message.key) == "colour");
    s.guest.answer(question, ic::status::success, question.body);
    s.service->remove(Pool::External, "colour", 5s, s.keep);
    s.guest.answer(s.next(), ic::status::failed, {});
    REQUIRE(s.results.size() == 2);
    CHECK(s.results[0].error == Error::None);
    CHECK(s.results[1].error == Error::Refused);
}

TEST_CASE("the addresses of a network adapter", "[services][kvp]")
{
    Setting s;
    s.service->addresses({{0x52, 0x54, 0x00, 0xAB, 0xCD, 0xEF}}, 5s, s.keep);
    auto const question = s.next();
    auto message = question.as<key_value::AddressMessage>();
    CHECK(message.operation == key_value::Operation::GetAddresses);
    CHECK(from_utf16(message.adapter) == "52:54:00:AB:CD:EF");
    CHECK(message.family == key_value::Family::Both);
    put(message.addresses, "10.0.2.15");
    put(message.subnets, "255.255.255.0");
    put(message.gateways, "10.0.2.2");
    put(message.dns_servers, "10.0.2.3;10.0.2.4");
    message.dhcp = 1;
    s.guest.answer(question, ic::status::success, bytes_of(message));
    REQUIRE(s.results.size() == 1);
    auto const& addresses = s.results[0].addresses;
    CHECK(addresses.addresses == "10.0.2.15");
    CHECK(addresses.subnets == "255.255.255.0");
    CHECK(addresses.gateways == "10.0.2.2");
    CHECK(addresses.dns_servers == "10.0.2.3;10.0.2.4");
    CHECK(addresses.dhcp);
}

TEST_CASE("keys and values have their limits", "[services][kvp]")
{
    Setting s;
    s.service->set(Pool::External, std::string(255, 'k'), std::string(1023, 'v'), 5s, s.keep);
    CHECK(s.guest.next());
    s.service->set(Pool::External, std::string(256, 'k'), "v", 5s, s.keep);
    s.service->set(Pool::External, "k", std::string(1024, 'v'), 5s, s.keep);
    s.service->remove(Pool::External, std::string(256, 'k'), 5s, s.keep);
    REQUIRE(s.results.size() == 3);
    for (auto const& result : s.results)
        CHECK(result.error == Error::TooLong);
}

TEST_CASE("requests wait for each other, and not too many of them", "[services][kvp]")
{
    Setting s;
    for (unsigned i = 0; i < 17; ++i)
        s.service->set(Pool::External, std::to_string(i), "", 5s, s.keep);
    REQUIRE(s.results.size() == 1);
    CHECK(s.results[0].error == Error::Busy);
    for (unsigned i = 0; i < 16; ++i) {
        auto const question = s.next();
        CHECK(from_utf16(question.as<key_value::SetMessage>().value.key) == std::to_string(i));
        CHECK_FALSE(s.guest.next());
        s.guest.answer(question, ic::status::success, question.body);
    }
    CHECK(s.results.size() == 17);
    CHECK_FALSE(s.guest.next());
}

TEST_CASE("a request that gets no answer ends in time, and the next waits for the guest", "[services][kvp]")
{
    Setting s;
    s.service->enumerate(Pool::Auto, 2s, s.keep);
    auto const late = s.next();
    s.guest.executor.advance(2s);
    REQUIRE(s.results.size() == 1);
    CHECK(s.results[0].error == Error::TimedOut);

    s.service->enumerate(Pool::Guest, 2s, s.keep);
    CHECK_FALSE(s.guest.next());
    s.answer_pair(late, "OSName", "Debian");
    auto const question = s.next();
    CHECK(question.as<key_value::EnumerateMessage>().header.pool == Pool::Guest);
    s.guest.answer(question, ic::status::no_more_items, {});
    REQUIRE(s.results.size() == 2);
    CHECK(s.results[1].error == Error::None);
    CHECK(s.results[1].pairs.empty());
}

TEST_CASE("requests end when the guest stops listening", "[services][kvp]")
{
    Setting s;
    s.service->enumerate(Pool::Auto, 2s, s.keep);
    s.service->enumerate(Pool::Auto, 2s, s.keep);
    s.service->close();
    REQUIRE(s.results.size() == 2);
    CHECK(s.results[0].error == Error::Gone);
    CHECK(s.results[1].error == Error::Gone);
    s.service->enumerate(Pool::Auto, 2s, s.keep);
    CHECK(s.results.back().error == Error::NotReady);
}

TEST_CASE("a pool without end is read only so far", "[services][kvp][hostile]")
{
    Setting s;
    s.service->enumerate(Pool::Guest, 5s, s.keep);
    unsigned questions = 0;
    while (auto const question = s.guest.next()) {
        s.answer_pair(*question, "key", "value");
        ++questions;
    }
    CHECK(questions == KeyValueService::most_pairs);
    REQUIRE(s.results.size() == 1);
    CHECK(s.results[0].pairs.size() == KeyValueService::most_pairs);
}

TEST_CASE("answers that lie about their sizes", "[services][kvp][hostile]")
{
    Setting s;
    s.service->enumerate(Pool::Guest, 5s, s.keep);
    auto const question = s.next();
    auto message = question.as<key_value::EnumerateMessage>();
    SECTION("strings longer than their fields")
    {
        message.value.type = key_value::ValueType::String;
        std::memset(message.value.key, 'x', sizeof message.value.key);
        std::memset(message.value.value, 'x', sizeof message.value.value);
        message.value.key_size = 0xFFFF'FFFF;
        message.value.value_size = 0xFFFF'FFFF;
        s.guest.answer(question, ic::status::success, bytes_of(message));
        s.guest.answer(s.next(), ic::status::no_more_items, {});
        REQUIRE(s.results.size() == 1);
        CHECK(s.results[0].error == Error::None);
        CHECK(s.results[0].pairs[0].key.size() == 256 * 3); // U+7878, and no more of them than fit
    }
    SECTION("an unknown type")
    {
        message.value.type = key_value::ValueType{99};
        s.guest.answer(question, ic::status::success, bytes_of(message));
        REQUIRE(s.results.size() == 1);
        CHECK(s.results[0].error == Error::Malformed);
    }
    SECTION("too short a message")
    {
        s.guest.answer(question, ic::status::success, std::vector<std::byte>(100));
        REQUIRE(s.results.size() == 1);
        CHECK(s.results[0].error == Error::Malformed);
    }
}
