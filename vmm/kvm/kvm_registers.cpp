#include "vmm/kvm/kvm_registers.hpp"

namespace vmm {

namespace {

Segment from(kvm_segment const& s)
{
    return {.base = s.base,
            .limit = s.limit,
            .selector = s.selector,
            .type = s.type,
            .privilege = s.dpl,
            .present = s.present != 0,
            .code_or_data = s.s != 0,
            .long_mode = s.l != 0,
            .default_32bit = s.db != 0,
            .page_granular = s.g != 0,
            .available = s.avl != 0,
            .unusable = s.unusable != 0};
}

kvm_segment to(Segment const& s)
{
    kvm_segment out{};
    out.base = s.base;
    out.limit = s.limit;
    out.selector = s.selector;
    out.type = s.type;
    out.dpl = s.privilege;
    out.present = s.present;
    out.s = s.code_or_data;
    out.l = s.long_mode;
    out.db = s.default_32bit;
    out.g = s.page_granular;
    out.avl = s.available;
    out.unusable = s.unusable;
    return out;
}

kvm_dtable to(DescriptorTable const& table)
{
    kvm_dtable out{};
    out.base = table.base;
    out.limit = table.limit;
    return out;
}

} // namespace

SystemRegisters from_kvm(kvm_sregs const& s)
{
    SystemRegisters out;
    out.cs = from(s.cs);
    out.ds = from(s.ds);
    out.es = from(s.es);
    out.fs = from(s.fs);
    out.gs = from(s.gs);
    out.ss = from(s.ss);
    out.tr = from(s.tr);
    out.ldt = from(s.ldt);
    out.gdt = {s.gdt.base, s.gdt.limit};
    out.idt = {s.idt.base, s.idt.limit};
    out.cr0 = s.cr0;
    out.cr2 = s.cr2;
    out.cr3 = s.cr3;
    out.cr4 = s.cr4;
    out.cr8 = s.cr8;
    out.efer = s.efer;
    out.apic_base = s.apic_base;
    return out;
}

void to_kvm(SystemRegisters const& s, kvm_sregs& out)
{
    out.cs = to(s.cs);
    out.ds = to(s.ds);
    out.es = to(s.es);
    out.fs = to(s.fs);
    out.gs = to(s.gs);
    out.ss = to(s.ss);
    out.tr = to(s.tr);
    out.ldt = to(s.ldt);
    out.gdt = to(s.gdt);
    out.idt = to(s.idt);
    out.cr0 = s.cr0;
    out.cr2 = s.cr2;
    out.cr3 = s.cr3;
    out.cr4 = s.cr4;
    out.cr8 = s.cr8;
    out.efer = s.efer;
    out.apic_base = s.apic_base;
}

} // namespace vmm
