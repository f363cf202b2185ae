#include "hv/synic/message_queue.hpp"
#include "hv/testing/catch.hpp"

#include <algorithm>
#include <vector>

using namespace hv;

TEST_CASE("a message queue is first in, first out, and gives up any member (TLFS 2.0a 14.2.2)", "[synic]")
{
    std::array<MessageBuffer, 4> buffers;
    std::vector<std::size_t> order{0, 1, 2, 3};
    do { // every order of removal
        MessageQueue queue;
        CHECK(queue.empty());
        for (auto& buffer : buffers)
            queue.push(buffer);
        std::vector<std::size_t> left{0, 1, 2, 3};
        for (auto const victim : order) {
            CHECK(queue.front() == &buffers[left.front()]);
            queue.remove(buffers[victim]);
            std::erase(left, victim);
            CHECK(queue.empty() == left.empty());
        }
        queue.push(buffers[2]);
        CHECK(queue.front() == &buffers[2]);
        queue.remove(buffers[2]);
    } while (std::ranges::next_permutation(order).found);
}
