"""What the models read."""

from payments.features.batch_features import (
    shop_kinds,
    shop_refunds,
    user_amounts_by_kind,
    user_card,
    user_large_payments,
    user_lifetime,
    user_logins,
    user_week,
)
from payments.features.stream_features import shop_last_payment, user_net, user_payments_just_now, user_travel

from tilefold import FeatureService

user_risk = FeatureService(
    name="user_risk",
    prevent_destroy=False,
    online_serving_enabled=True,
    features=[
        *(user_amounts_by_kind, user_card, user_lifetime, user_week, user_large_payments, user_logins),
        *(user_payments_just_now, user_net, user_travel),
    ],
)

shop_risk = FeatureService(name="shop_risk", features=[shop_refunds[["refunded_mean_30d"]], shop_kinds, shop_last_payment])
