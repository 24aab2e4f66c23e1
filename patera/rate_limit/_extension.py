"""The extension: configuration, one limiter per application, limits for all endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from patera.exceptions import ConfigurationError
from patera.extension import BaseExtension

from ._configs import RateLimitConfigs, limit_mistake
from ._keys import by_address
from ._layer import RateLimit, RateLimitExempt, rate_limit
from ._limiter import Limiter, check_uri

if TYPE_CHECKING:
    from patera.application import Patera
    from patera.layer import Layer


class RateLimiter(BaseExtension):
    """Counts where `RATE_LIMIT` says, and limits all endpoints; `@rate_limit` also works without it, in memory.

    Example:
        limiter = RateLimiter()       # in EXTENSIONS

        RATE_LIMIT = {"STORAGE_URI": "redis://localhost:6379/0", "DEFAULT_LIMITS": "100/minute"}

    Args:
        configs_name: Name of the config dict, `RATE_LIMIT` by default.
        variable_prefix: What stands before that name.
    """

    default_configs_name = "RATE_LIMIT"
    configs_model = RateLimitConfigs

    def init_app(self, app: Patera) -> Limiter:
        """Prepare the storage; it is connected with the first request.

        Raises:
            ConfigurationError: The storage, or a limit, is none.
        """
        configs = RateLimitConfigs(**self.configs)
        check_uri(configs.STORAGE_URI, self.configs_key)
        limits = {name: getattr(configs, name) for name in ("DEFAULT_LIMITS", "GLOBAL_LIMITS")}
        found = [limit_mistake(text, f"{self.configs_key}[{name!r}]") for name, text in limits.items() if text]
        mistakes = [mistake for mistake in found if mistake is not None]
        if mistakes:
            raise ConfigurationError(*mistakes)
        return Limiter(configs, configs.KEY_PREFIX or app.app_name, app.logger)

    async def shutdown(self, app: Patera) -> None:
        """Close the connections to the storage."""
        await app.extension_states[self].close()

    def layers_for(self, app: Patera, declared: Sequence[Layer]) -> Sequence[Layer]:
        """Return the limits of `RATE_LIMIT` for an endpoint with these layers."""
        configs: RateLimitConfigs = app.extension_states[self].configs
        if any(isinstance(layer, RateLimitExempt) for layer in declared):
            return ()
        found = []
        if configs.GLOBAL_LIMITS:
            found.append(rate_limit(configs.GLOBAL_LIMITS, key=by_address, scope="global"))
        if configs.DEFAULT_LIMITS and not any(isinstance(layer, RateLimit) for layer in declared):
            found.append(rate_limit(configs.DEFAULT_LIMITS, key=by_address))
        return found
