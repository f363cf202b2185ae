/// A block device of the host that stands on a file, as long as its test.
#pragma once

#include <linux/loop.h>

#include <cstdint>
#include <fcntl.h>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>

namespace devices::block::testing {

class LoopDevice {
  public:
    /// Has no path where the host gives none.
    LoopDevice(std::string const& file, std::uint32_t block_size)
    {
        int const control = ::open("/dev/loop-control", O_RDWR | O_CLOEXEC);
        if (control < 0) return;
        int const backing = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
        for (int attempts = 0; attempts < 10 && fd_ < 0; ++attempts)
            attach(::ioctl(control, LOOP_CTL_GET_FREE), backing, block_size);
        ::close(backing);
        ::close(control);
    }
    LoopDevice(LoopDevice const&) = delete;
    LoopDevice& operator=(LoopDevice const&) = delete;
    ~LoopDevice()
    {
        if (fd_ < 0) return;
        ::ioctl(fd_, LOOP_CLR_FD, 0);
        ::close(fd_);
    }

    [[nodiscard]] std::string const& path() const { return path_; }

  private:
    /// Somebody else may take the free one first.
    void attach(int number, int backing, std::uint32_t block_size)
    {
        if (number < 0 || backing < 0) return;
        auto const path = "/dev/loop" + std::to_string(number);
        int const fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        if (fd < 0) return;
        loop_config config{};
        config.fd = static_cast<std::uint32_t>(backing);
        config.block_size = block_size;
        if (::ioctl(fd, LOOP_CONFIGURE, &config) != 0) {
            ::close(fd);
            return;
        }
        fd_ = fd;
        path_ = path;
    }

    std::string path_;
    int fd_ = -1;
};

} // namespace devices::block::testing
