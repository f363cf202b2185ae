#include <cstdio>

int main()
{
    return std::puts("porthole " PORTHOLE_VERSION) < 0 ? 2 : 0;
}
