#include "devices/pc/fw_cfg.hpp"
#include "devices/testing/fakes.hpp"
#include "hv/testing/catch.hpp"

#include <stdexcept>
#include <string>

namespace {

struct Machine {
    devices::FwCfg fw_cfg{{.cpus = 0x0102, .memory = 0x1'2345'6789}};

    std::string item(unsigned key, unsigned length)
    {
        fw_cfg.write(0, 2, key);
        std::string bytes;
        for (unsigned i = 0; i < length; ++i)
            bytes.push_back(static_cast<char>(fw_cfg.read(1, 1)));
        return bytes;
    }
};

} // namespace

TEST_CASE("a test kernel finds out about its machine", "[fw_cfg]")
{
    using namespace std::string_literals;
    Machine m;
    CHECK(m.item(0x0000, 5) == "QEMU\0"s);
    CHECK(m.item(0x0001, 5) == "\x01\0\0\0\0"s);
    CHECK(m.item(0x0003, 8) == "\x89\x67\x45\x23\x01\0\0\0"s);
    CHECK(m.item(0x0005, 4) == "\x02\x01\0\0"s);
    CHECK(m.item(0x000F, 2) == "\x02\x01"s);
    CHECK(m.item(0x0019, 4) == "\0\0\0\0"s); // no files
    CHECK(m.item(0x0000, 4) == "QEMU");
}

TEST_CASE("a firmware finds files by a directory", "[fw_cfg]")
{
    using namespace std::string_literals;
    Machine m;
    m.fw_cfg.add_file("etc/e820", {std::byte{1}, std::byte{2}});
    m.fw_cfg.add_file("etc/table-loader", std::vector<std::byte>(0x1234));
    auto const name = [](std::string text) {
        text.resize(56);
        return text;
    };
    CHECK(m.item(0x0019, 4 + 2 * 64) == "\0\0\0\x02"s                                    //
                                            + "\0\0\0\x02\0\x20\0\0"s + name("etc/e820") //
                                            + "\0\0\x12\x34\0\x21\0\0"s + name("etc/table-loader"));
    CHECK(m.item(0x0020, 4) == "\x01\x02\0\0"s);
    CHECK_THROWS_AS(m.fw_cfg.add_file("etc/e820", {}), std::logic_error);
    CHECK_THROWS_AS(m.fw_cfg.add_file(std::string(56, 'x'), {}), std::logic_error);
}

TEST_CASE("only a word selects, and only bytes come out", "[fw_cfg]")
{
    Machine m;
    m.fw_cfg.write(0, 2, 0x0005);
    m.fw_cfg.write(0, 1, 0);
    m.fw_cfg.write(0, 4, 0);
    m.fw_cfg.write(1, 1, 0);
    CHECK(m.fw_cfg.read(0, 2) == 0);
    CHECK(m.fw_cfg.read(1, 2) == 0);
    CHECK(m.fw_cfg.read(1, 1) == 0x02);
}

TEST_CASE("no sequence of accesses confuses the firmware configuration", "[fw_cfg][hammer]")
{
    Machine m;
    std::mt19937 random{5};
    devices::testing::hammer(m.fw_cfg, 2, [&] { m.fw_cfg.write(0, 2, static_cast<std::uint32_t>(random() % 20)); });
    CHECK(m.item(0x0000, 4) == "QEMU");
}
