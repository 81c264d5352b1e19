// Everything the page says, in both languages: [zh-CN, en], or [headline, sentence] of each.

const WORDS = {
  brand: ["闸口", "Floodgate"],
  otherLanguage: ["English", "中文"],
  signOut: ["退出", "Sign out"],
  items: ["商品", "Items"],
  rules: ["规则", "Rules"],
  rewards: ["我的奖励", "My rewards"],
  userId: ["用户名", "User name"],
  userIdHint: ["字母、数字或 . _ - @ +", "Letters, digits or . _ - @ +"],
  phone: ["手机号（可不填）", "Phone (optional)"],
  signIn: ["登录", "Sign in"],
  join: ["开始排队", "Join the line"],
  buy: ["立即抢购", "Buy now"],
  pay: ["去付款 {amount}", "Pay {amount}"],
  payBack: ["回到付款页", "Back to the payment page"],
  release: ["不要了", "Give it up"],
  releaseSure: ["确定放弃？再点一次", "Sure? Tap again"],
  again: ["再抢一件", "Buy another"],
  others: ["看看别的活动", "Other sales"],
  toOpening: ["距开抢", "Starts in"],
  toClosing: ["距结束", "Ends in"],
  toPay: ["付款剩余", "Time left to pay"],
  yourNumber: ["你的号码", "Your number"],
  ahead: ["前面还有", "Ahead of you"],
  aheadUnit: ["人", ""],
  next: ["下一位就是你", "You are next"],
  eta: ["{eta}后轮到你", "{eta} to go"],
  soon: ["不到 1 分钟", "Less than a minute"],
  minutes: ["约 {n} 分钟", "About {n} min"],
  hours: ["约 {n} 小时", "About {n} h"],
  days: ["{n} 天", "{n} d"],
  orderId: ["订单号", "Order"],
  quantity: ["数量", "Quantity"],
  limitEach: ["每人限 {n} 件", "Up to {n} each"],
  plenty: ["货源充足", "Plenty left"],
  some: ["有货", "In stock"],
  few: ["所剩不多", "Few left"],
  none: ["已抢光", "Sold out"],
  mine: ["已到限购", "Limit reached"],
  window: ["{opens} 至 {closes}", "{opens} to {closes}"],
  holdRule: ["抢到后请在 {minutes} 分钟内付款", "Pay within {minutes} min once it is held for you"],
  fairRule: ["先到先得，按号进场，离开不丢号", "First come, first served, by number; leaving does not lose it"],
  points: ["{n} 积分", "{n} points"],
  coupon: ["优惠券 {code}", "Coupon {code}"],
  cash: ["现金 {amount}", "{amount} cash"],
  firstN: ["前 {n} 名", "First {n}"],
  promised: ["发放中", "On its way"],
  paid: ["已到账", "Received"],
  blocked: ["人工处理中", "Being looked into"],
  offline: ["网络断了，正在重连。你的号和订单都在。", "No connection; reconnecting. Your number and orders are safe."],
  busy: ["人太多了，正在重试。你的号和订单都在。", "Very busy; retrying. Your number and orders are safe."],
  stale: ["数字可能晚几秒，你的号不受影响。", "These figures may lag by seconds; your number is safe."],
  released: ["已放弃，货已放回。", "Given up; it went back into stock."],
  signInAgain: ["登录已过期，请重新登录。你的号还在。", "Please sign in again; your number is safe."],
};

const STAGES = {
  loading: [["正在打开活动…", "马上就好。"], ["Opening the sale…", "Just a moment."]],
  no_sale: [["现在没有活动", "稍后再来看看。"], ["No sale right now", "Come back later."]],
  unknown: [["没有这场活动", "看看别的活动吧。"], ["There is no such sale", "Have a look at the others."]],
  pick: [["选一场活动", "点开看商品、规则和开抢时间。"], ["Choose a sale", "See its items, rules and starting time."]],
  scheduled: [["还没开始", "{opens} 开抢，开抢前开放排队，这一页会自己更新。"], ["Not started yet", "It starts {opens}. The line opens before that; this page updates itself."]],
  door: [["现在就能排队", "先来先得：拿一个号，轮到你就能抢。"], ["The line is open", "First come, first served: take a number, buy on your turn."]],
  sign_in: [["先登录，再排队", "号码跟着账号走，换手机也不会丢。"], ["Sign in to join", "Your number belongs to your account, on any phone."]],
  sign_in_app: [["请从 App 进入", "请在商城 App 里打开本页，它会带上你的身份。"], ["Please come from the app", "Open this page in the shop's app; it brings your identity."]],
  waitingBefore: [["号拿到了", "到点按号进场。刷新、锁屏、关掉页面，号都不会丢。"], ["You have your number", "We go in by number. Reload or close the page: it stays yours."]],
  waiting: [["正在排队", "轮到你时这一页会自己打开，号不会丢。"], ["You are in line", "This page opens by itself when it is your turn."]],
  waitingPaused: [["暂停放行", "你的号还在，恢复后接着走，不用重新排队。"], ["The line is paused", "Your number is safe; no need to join again."]],
  admitting: [["轮到你了", "正在为你开门…"], ["It is your turn", "Opening the door for you…"]],
  turn: [["轮到你了", "选好商品，点“立即抢购”。"], ["It is your turn", "Choose an item and tap “Buy now”."]],
  turn_again: [["还可以再抢", "上一份没按时付款，已放回，已付的会退。有货就能再抢。"], ["You can try again", "The last one was not paid in time; late money is refunded. Buy again while stock lasts."]],
  buying: [["正在为你下单", "正在等确认，不会重复下单。"], ["Placing your order", "Waiting for the confirmation; it cannot be ordered twice."]],
  held: [["已为你留住", "请在倒计时结束前付款，过时会放回。"], ["Held for you", "Pay before the countdown ends, or it goes back."]],
  paying: [["正在等付款结果", "付完款几秒内就会显示。还没付？回到付款页。"], ["Waiting for your payment", "Once paid, it shows within seconds. Not paid? Go back and pay."]],
  lapsing: [["留货时间到了", "正在核对付款结果，请稍等。"], ["Time is up", "Checking whether your payment arrived."]],
  confirmed: [["抢到了！", "付款已确认，奖励正在路上。"], ["You got it!", "Payment confirmed; your reward is on its way."]],
  rewarded: [["抢到了！", "付款已确认，奖励已到账。"], ["You got it!", "Payment confirmed; your reward has arrived."]],
  bought: [["抢到了！", "付款已确认。"], ["You got it!", "Payment confirmed."]],
  sold_out: [["已抢光", "有人没付款，货会放回来，这一页会自己更新。"], ["Sold out", "Unpaid items come back; this page updates itself."]],
  ended: [["活动结束了", "感谢参与，下次见。"], ["The sale is over", "Thank you for coming. See you next time."]],
  limit: [["已到每人限购", "把机会留给别人吧，感谢支持。"], ["You have reached the limit", "Thank you! The rest is for the others."]],
};

/** The first language of `preferred` that the page speaks: any Chinese is zh-CN, none at all en. */
export function chooseLanguage(preferred) {
  const known = preferred.find((tag) => /^(zh|en)\b/i.test(tag));
  return /^zh/i.test(known) ? "zh-CN" : "en";
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, place) => values[place] ?? "").trim();
}

export function say(language, name, values = {}) {
  return fill(WORDS[name][language === "en" ? 1 : 0], values);
}

/** Headline and sentence of a stage. */
export function tell(language, name, values) {
  return STAGES[name][language === "en" ? 1 : 0].map((text) => fill(text, values));
}

/** The texts of a sale or an item in `language`, or in the one there is. */
export function localTexts(texts, language) {
  return texts?.[language] ?? Object.values(texts ?? {})[0] ?? {};
}
