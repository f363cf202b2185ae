// What a guest pays for the paths that it takes most, in cycles of its time-stamp counter.
#include "runtime/console.hpp"

guest::u32 guest_main()
{
    return 0;
}
