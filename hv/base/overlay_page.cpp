#include "hv/base/overlay_page.hpp"

#include <cstring>
#include <new>

namespace hv {

OverlayPage::Store* OverlayPage::store()
{
    if (!store_) store_.reset(new (std::nothrow) Store);
    return store_.get();
}

bool OverlayPage::map(GuestMemory const& memory, Gpa gpa)
{
    auto* const page = memory.page(gpa);
    if (page && page == host_) return true;
    unmap();
    if (!page) return false;

    auto* const s = store();
    if (!s) return false;
    copy_from_shared(s->covered.data(), page, page_size);
    copy_to_shared(page, s->overlay.data(), page_size);
    host_ = page;
    return true;
}

void OverlayPage::unmap()
{
    if (!host_) return;
    copy_from_shared(store_->overlay.data(), host_, page_size);
    copy_to_shared(host_, store_->covered.data(), page_size);
    host_ = nullptr;
}

void OverlayPage::fill(Content const& content)
{
    if (host_) {
        copy_to_shared(host_, content.data(), page_size);
        return;
    }
    auto* const s = store();
    if (!s) throw std::bad_alloc{};
    s->overlay = content;
}

void OverlayPage::write(void const* from, std::size_t size)
{
    if (host_)
        copy_to_shared(host_, from, size);
    else if (store_)
        std::memcpy(store_->overlay.data(), from, size);
}

void OverlayPage::visit(StateVisitor& visitor, GuestMemory const& memory, Gpa gpa)
{
    bool covers = host_ != nullptr;
    bool kept = store_ != nullptr;
    visitor.flag("covers", covers);
    visitor.flag("kept", kept);
    if (kept) {
        auto* const s = store();
        if (!s) throw std::bad_alloc{};
        auto& hidden = covers ? s->covered : s->overlay;
        visitor.bytes("hidden", {reinterpret_cast<std::uint8_t*>(hidden.data()), hidden.size()});
    }
    if (visitor.restores()) host_ = covers && kept ? memory.page(gpa) : nullptr;
}

} // namespace hv
