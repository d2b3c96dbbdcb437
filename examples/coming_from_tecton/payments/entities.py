"""What the features are about."""

from tilefold import Entity
from tilefold.types import Field, String

user = Entity(
    name="user",
    join_keys=[Field("user_id", String)],
    description="Someone who pays",
    owner="risk@example.com",
    tags={"release": "production"},
)

shop = Entity(name="shop", join_keys=[Field("shop_id", String)], description="Where they pay", prevent_destroy=True)
