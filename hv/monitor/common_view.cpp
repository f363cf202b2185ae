#include "hv/monitor/common_view.hpp"

#include "hv/base/guest_memory.hpp"

#include <new>
#include <utility>

namespace hv {

CommonView::CommonView(std::shared_ptr<CommonPage> page, std::byte* guest_page)
    : page_{std::move(page)}, guest_page_{guest_page}
{
    copy_from_shared(covered_.data(), guest_page_, covered_.size());
    shown_ = page_->show_at(guest_page_);
}

CommonView::~CommonView()
{
    if (shown_) page_->hide_at(guest_page_, covered_);
}

std::unique_ptr<CommonView> CommonView::make(std::shared_ptr<CommonPage> page, std::byte* guest_page)
{
    std::unique_ptr<CommonView> view{new (std::nothrow) CommonView{std::move(page), guest_page}};
    return view && view->shown_ ? std::move(view) : nullptr;
}

} // namespace hv
