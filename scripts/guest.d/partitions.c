// usage: partitions ROUNDS
// By Linux's /dev/mshv, in each round: makes a partition of one processor and 32 KiB, runs code in it that writes to a port and reads
// one, reads and writes where no memory is, rings two doorbells, takes an interrupt and writes to a page, answers it, and takes
// the partition apart. Prints "ok CHECK" for each thing when all rounds have seen it, or "not ok CHECK: why" and ends with 1.
#include <errno.h>
#include <fcntl.h>
#include <linux/mshv.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

enum {
    page_size = 4096,
    ram_pages = 8,
    code_at = 0x1000,
    byte_at = 0x2000,
    word_at = 0x2004,
    flag_at = 0x2010,
    dirty_page = 5,
    device_at = 0x9000,
    bell_at = 0xA000,
    bell_for_value_at = 0xB000,
    vector = 0x40,
    gsi = 5,
    port_bytes = 0x10,
    port_interrupt = 0x12,
    port_clear_log = 0x14,
    port_read_log = 0x15,
    port_end = 0xF4,
};

// What the partition's processor executes, in real mode, at code_at. The numbers are those above.
extern unsigned char const code_begin[], code_end[], code_handler[];
__asm__(".pushsection .rodata\n"
        ".code16\n"
        "code_begin:\n"
        "   movw $0x10, %dx\n"
        "   movb $0x41, %al\n"
        "   outb %al, %dx\n"
        "   inb %dx, %al\n"
        "   movb %al, 0x2000\n"
        "   movl $0x12345678, %eax\n"
        "   movl %eax, 0x9000\n"
        "   movl 0x9004, %eax\n"
        "   movl %eax, 0x2004\n"
        "   movl %eax, 0xA000\n" // rings
        "   movb $0x11, %al\n"
        "   movb %al, 0xB000\n" // does not
        "   movb $0x5A, %al\n"
        "   movb %al, 0xB000\n" // rings
        "   movw $0x7000, %sp\n"
        "   movl $0x1B, %ecx\n" // the local APIC, by MSRs
        "   rdmsr\n"
        "   orl $0xC00, %eax\n"
        "   wrmsr\n"
        "   movl $0x80F, %ecx\n"
        "   movl $0x1FF, %eax\n"
        "   xorl %edx, %edx\n"
        "   wrmsr\n"
        "   sti\n"
        "   movw $0x12, %dx\n"
        "   outb %al, %dx\n"
        "1: cmpb $1, 0x2010\n"
        "   jne 1b\n"
        "   cli\n"
        "   movw $0x14, %dx\n"
        "   outb %al, %dx\n"
        "   movb $1, 0x5000\n"
        "   movw $0x15, %dx\n"
        "   outb %al, %dx\n"
        "   movw $0xF4, %dx\n"
        "   outb %al, %dx\n"
        "2: jmp 2b\n"
        "code_handler:\n"
        "   pushal\n"
        "   movb $1, 0x2010\n"
        "   movl $0x80B, %ecx\n" // end of interrupt
        "   xorl %eax, %eax\n"
        "   xorl %edx, %edx\n"
        "   wrmsr\n"
        "   popal\n"
        "   iret\n"
        "code_end:\n"
        ".code64\n"
        ".popsection\n");

// Messages of the hypervisor, as they are in the buffer of MSHV_RUN_VP.
struct message {
    uint32_t type;
    uint8_t size, flags;
    uint16_t reserved;
    uint64_t sender;
    uint32_t vp;
    uint8_t length, access;
    uint16_t state;
    uint64_t cs[2], rip, rflags;
    union {
        struct {
            uint16_t port;
            uint8_t info, bytes;
            uint32_t reserved;
            uint64_t rax;
        } io;
        struct {
            uint32_t cache;
            uint8_t bytes, info, tpr, reserved;
            uint64_t gva, gpa;
        } memory;
    };
};
enum { unmapped_gpa = 0x80000000, io_port = 0x80010000, access_write = 1 };
enum { register_rax = 0x20000, register_rip = 0x20010, register_rflags = 0x20011, register_cs = 0x60001 };
enum { call_set_registers = 0x51 };

struct assignment {
    uint32_t name, reserved0;
    uint64_t reserved1, value[2];
};

static char const *checks[] = {"create",       "memory",         "io_out",           "io_in",     "mmio_write", "mmio_read",
                               "doorbell_any", "doorbell_value", "doorbell_other_value", "interrupt", "dirty_log",  "teardown"};
enum { check_count = sizeof checks / sizeof checks[0] };
static unsigned seen[check_count];

static void passed(char const *check)
{
    for (unsigned i = 0; i < check_count; ++i)
        if (strcmp(checks[i], check) == 0) ++seen[i];
}

__attribute__((noreturn, format(printf, 2, 3))) static void fail(char const *check, char const *text, ...)
{
    va_list arguments;
    printf("not ok %s: ", check);
    va_start(arguments, text);
    vprintf(text, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
    exit(1);
}

static int must(char const *check, char const *what, int result)
{
    if (result < 0) fail(check, "%s: %s", what, strerror(errno));
    return result;
}

struct partition {
    int file, vp, bell, bell_for_value, interrupt;
    unsigned char *ram;
};

static void set_registers(struct partition const *p, unsigned count, struct assignment const *values)
{
    struct {
        uint64_t partition;
        uint32_t vp, vtl;
        struct assignment values[4];
    } input = {0};
    memcpy(input.values, values, count * sizeof *values);
    struct mshv_root_hvcall call = {.code = call_set_registers,
                                    .reps = (uint16_t)count,
                                    .in_sz = (uint16_t)(16 + count * sizeof *values),
                                    .in_ptr = (uintptr_t)&input};
    must("create", "registers cannot be set", ioctl(p->vp, MSHV_ROOT_HVCALL, &call));
}

static void go_on(struct partition const *p, struct message const *message)
{
    struct assignment const rip = {.name = register_rip, .value = {message->rip + (message->length & 0xF)}};
    set_registers(p, 1, &rip);
}

static void go_on_with(struct partition const *p, struct message const *message, uint64_t rax)
{
    struct assignment const values[] = {{.name = register_rip, .value = {message->rip + (message->length & 0xF)}},
                                        {.name = register_rax, .value = {rax}}};
    set_registers(p, 2, values);
}

static int add_bell(struct partition const *p, uint64_t address, unsigned size, int value)
{
    int const event = must("create", "eventfd", eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    struct mshv_user_ioeventfd bell = {.addr = address, .len = size, .fd = event};
    if (value >= 0) {
        bell.datamatch = (uint64_t)value;
        bell.flags = 1 << MSHV_IOEVENTFD_BIT_DATAMATCH;
    }
    must("create", "MSHV_IOEVENTFD", ioctl(p->file, MSHV_IOEVENTFD, &bell));
    return event;
}

static int add_interrupt(struct partition const *p)
{
    struct {
        struct mshv_user_irq_table table;
        struct mshv_user_irq_entry entry;
    } routes = {.table = {.nr = 1}, .entry = {.gsi = gsi, .address_lo = 0xFEE00000, .data = vector}};
    must("create", "MSHV_SET_MSI_ROUTING", ioctl(p->file, MSHV_SET_MSI_ROUTING, &routes));
    int const event = must("create", "eventfd", eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    struct mshv_user_irqfd interrupt = {.fd = event, .resamplefd = -1, .gsi = gsi};
    must("create", "MSHV_IRQFD", ioctl(p->file, MSHV_IRQFD, &interrupt));
    return event;
}

static struct partition make(int device)
{
    struct partition p;
    struct mshv_create_partition const kind = {.pt_flags = 1 << MSHV_PT_BIT_LAPIC | 1 << MSHV_PT_BIT_X2APIC};
    p.file = must("create", "MSHV_CREATE_PARTITION", ioctl(device, MSHV_CREATE_PARTITION, &kind));
    must("create", "MSHV_INITIALIZE_PARTITION", ioctl(p.file, MSHV_INITIALIZE_PARTITION));
    p.ram = mmap(NULL, ram_pages * page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p.ram == MAP_FAILED) fail("create", "mmap: %s", strerror(errno));
    memcpy(p.ram + code_at, code_begin, (size_t)(code_end - code_begin));
    uint16_t const handler[] = {(uint16_t)(code_at + (code_handler - code_begin)), 0};
    memcpy(p.ram + 4 * vector, handler, sizeof handler);
    struct mshv_user_mem_region const memory = {.size = ram_pages * page_size,
                                                .userspace_addr = (uintptr_t)p.ram,
                                                .flags = 1 << MSHV_SET_MEM_BIT_WRITABLE | 1 << MSHV_SET_MEM_BIT_EXECUTABLE};
    must("create", "MSHV_SET_GUEST_MEMORY", ioctl(p.file, MSHV_SET_GUEST_MEMORY, &memory));
    struct mshv_create_vp const vp = {.vp_index = 0};
    p.vp = must("create", "MSHV_CREATE_VP", ioctl(p.file, MSHV_CREATE_VP, &vp));
    p.bell = add_bell(&p, bell_at, 4, -1);
    p.bell_for_value = add_bell(&p, bell_for_value_at, 1, 0x5A);
    p.interrupt = add_interrupt(&p);
    struct assignment const start[] = {{.name = register_cs, .value = {0, 0xFFFF | (uint64_t)0x9B << 48}},
                                       {.name = register_rip, .value = {code_at}},
                                       {.name = register_rflags, .value = {2}}};
    set_registers(&p, 3, start);
    passed("create");
    return p;
}

// How often it has been rung, once it has.
static uint64_t rung(char const *check, int event)
{
    struct pollfd wanted = {.fd = event, .events = POLLIN};
    uint64_t count = 0;
    if (poll(&wanted, 1, 20000) != 1 || read(event, &count, sizeof count) != sizeof count) fail(check, "it has not rung");
    return count;
}

static unsigned char dirty_pages(struct partition const *p, unsigned char operation)
{
    uint64_t bits = 0;
    struct mshv_gpap_access_bitmap log = {.access_type = MSHV_GPAP_ACCESS_TYPE_DIRTY,
                                          .access_op = operation,
                                          .page_count = ram_pages,
                                          .bitmap_ptr = (uintptr_t)&bits};
    must("dirty_log", "MSHV_GET_GPAP_ACCESS_BITMAP", ioctl(p->file, MSHV_GET_GPAP_ACCESS_BITMAP, &log));
    return (unsigned char)bits;
}

// Answers an access to a port; false at the last one.
static int answer_port(struct partition const *p, struct message const *message)
{
    uint64_t const one = 1;
    unsigned const al = message->io.rax & 0xFF, is_write = message->access == access_write;
    switch (message->io.port) {
    case port_bytes:
        if (is_write && al != 0x41) fail("io_out", "AL is %#x", al);
        passed(is_write ? "io_out" : "io_in");
        if (is_write) break;
        go_on_with(p, message, 0x42);
        return 1;
    case port_interrupt:
        if (write(p->interrupt, &one, sizeof one) != sizeof one) fail("interrupt", "the eventfd cannot be written to");
        break;
    case port_clear_log:
        passed("interrupt");
        (void)dirty_pages(p, MSHV_GPAP_ACCESS_OP_CLEAR);
        break;
    case port_read_log: {
        unsigned const dirty = dirty_pages(p, MSHV_GPAP_ACCESS_OP_CLEAR);
        if (dirty != 1 << dirty_page) fail("dirty_log", "the pages are %#x, not %#x", dirty, 1 << dirty_page);
        if (dirty_pages(p, MSHV_GPAP_ACCESS_OP_NOOP) != 0) fail("dirty_log", "pages stay dirty");
        passed("dirty_log");
        break;
    }
    case port_end: return 0;
    default: fail("io_out", "port %#x", message->io.port);
    }
    go_on(p, message);
    return 1;
}

static void answer_memory(struct partition const *p, struct message const *message)
{
    unsigned const is_write = message->access == access_write;
    if (message->memory.gpa == device_at && is_write) {
        passed("mmio_write");
        return go_on(p, message);
    }
    if (message->memory.gpa == device_at + 4 && !is_write) {
        passed("mmio_read");
        return go_on_with(p, message, 0xCAFE);
    }
    if (message->memory.gpa == bell_for_value_at && is_write) {
        passed("doorbell_other_value");
        return go_on(p, message);
    }
    fail("mmio_write", "%s at %#llx, RIP %#llx", is_write ? "a write" : "a read", (unsigned long long)message->memory.gpa,
         (unsigned long long)message->rip);
}

static void run(struct partition const *p)
{
    union {
        struct mshv_run_vp buffer;
        struct message message;
    } exit_;
    for (int more = 1; more;) {
        memset(&exit_, 0, sizeof exit_);
        alarm(60);
        must("memory", "MSHV_RUN_VP", ioctl(p->vp, MSHV_RUN_VP, &exit_.buffer));
        alarm(0);
        if (exit_.message.type == io_port)
            more = answer_port(p, &exit_.message);
        else if (exit_.message.type == unmapped_gpa)
            answer_memory(p, &exit_.message);
        else
            fail("memory", "a message of type %#x, RIP %#llx", exit_.message.type, (unsigned long long)exit_.message.rip);
    }
    uint32_t word;
    memcpy(&word, p->ram + word_at, sizeof word);
    if (p->ram[byte_at] != 0x42 || word != 0xCAFE) fail("memory", "it has %#x and %#x", p->ram[byte_at], word);
    passed("memory");
    if (rung("doorbell_any", p->bell) == 1) passed("doorbell_any");
    if (rung("doorbell_value", p->bell_for_value) == 1) passed("doorbell_value");
}

static void take_apart(struct partition const *p)
{
    int const files[] = {p->vp, p->bell, p->bell_for_value, p->interrupt, p->file};
    for (unsigned i = 0; i < sizeof files / sizeof files[0]; ++i)
        must("teardown", "close", close(files[i]));
    must("teardown", "munmap", munmap(p->ram, ram_pages * page_size));
    passed("teardown");
}

static long free_kib(void)
{
    struct sysinfo info;
    sysinfo(&info);
    return (long)(info.freeram * info.mem_unit / 1024);
}

static void on_alarm(int number) { (void)number; } // it interrupts MSHV_RUN_VP

int main(int argc, char **argv)
{
    unsigned const rounds = argc == 2 ? (unsigned)atoi(argv[1]) : 1;
    struct sigaction const action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    int const device = must("create", "/dev/mshv", open("/dev/mshv", O_RDWR | O_CLOEXEC));
    long early = 0;
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (unsigned round = 0; round < rounds; ++round) {
        struct partition const p = make(device);
        run(&p);
        take_apart(&p);
        if (round == rounds / 10) early = free_kib();
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    for (unsigned i = 0; i < check_count; ++i) {
        if (seen[i] != rounds) fail(checks[i], "%u times of %u", seen[i], rounds);
        printf("ok %s\n", checks[i]);
    }
    // What the kernel has yet to free comes and goes; a page that is lost in each round does not.
    long const lost = early - free_kib();
    if (lost > 1024 + 2L * rounds) fail("free_memory", "%ld KiB less than after a tenth of the rounds", lost);
    printf("ok free_memory\n# %u rounds, %ld ms, %ld KiB less memory\n", rounds,
           (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000, lost);
    return 0;
}
