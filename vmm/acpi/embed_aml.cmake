# Turns an AML file into a C++ source: cmake -D AML=in.aml -D OUT=out.cpp -P embed_aml.cmake
file(READ ${AML} bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
file(WRITE ${OUT} "#include \"vmm/acpi/dsdt.hpp\"

namespace vmm {

namespace {

constexpr unsigned char bytes[] = {${bytes}};

} // namespace

std::span<std::byte const> dsdt()
{
    return std::as_bytes(std::span{bytes});
}

} // namespace vmm
")
