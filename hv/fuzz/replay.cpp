/// Runs a fuzz target once over each file that is named, or each file of a folder: without libFuzzer.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

namespace {

unsigned replay(std::filesystem::path const& path)
{
    if (std::filesystem::is_directory(path)) {
        unsigned files = 0;
        for (auto const& entry : std::filesystem::directory_iterator{path})
            files += replay(entry.path());
        return files;
    }
    std::ifstream file{path, std::ios::binary};
    std::vector<char> const bytes{std::istreambuf_iterator<char>{file}, {}};
    (void)LLVMFuzzerTestOneInput(reinterpret_cast<std::uint8_t const*>(bytes.data()), bytes.size());
    return 1;
}

} // namespace

int main(int argc, char** argv)
{
    unsigned files = 0;
    for (int i = 1; i < argc; ++i)
        files += replay(argv[i]);
    std::printf("%u inputs run\n", files);
    return files == 0 ? 1 : 0;
}
