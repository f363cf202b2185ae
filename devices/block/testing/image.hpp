/// A disk image that is there as long as its test.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace devices::block::testing {

class TestImage {
  public:
    explicit TestImage(std::uint64_t size, std::string const& folder = std::filesystem::temp_directory_path())
        : path_{folder + "/porthole-image-XXXXXX"}
    {
        int const fd = mkstemp(path_.data());
        if (fd < 0 || ftruncate(fd, static_cast<off_t>(size)) != 0) throw std::runtime_error{"no image in " + folder};
        close(fd);
    }
    TestImage(TestImage const&) = delete;
    TestImage& operator=(TestImage const&) = delete;
    ~TestImage() { unlink(path_.c_str()); }

    [[nodiscard]] std::string const& path() const { return path_; }
    void resize(std::uint64_t size) const { std::filesystem::resize_file(path_, size); }
    [[nodiscard]] std::uint64_t size() const { return std::filesystem::file_size(path_); }

  private:
    std::string path_;
};

} // namespace devices::block::testing
