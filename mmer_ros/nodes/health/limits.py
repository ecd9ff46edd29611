"""From which values on /diagnostics warns; the parameters health.*."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """What is still good; a limit of 0 is never passed, but for those that say otherwise."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    window_s: float = Field(10.0, ge=2, le=600, description=(
        'rates, counts and percentiles are those of the last seconds, as many as this'))
    silent_warn_s: float = Field(2.0, ge=0, le=3600, description=(
        'a camera or microphone that sends nothing for so long is a warning'))
    silent_error_s: float = Field(10.0, ge=0, le=3600, description='likewise, an error')
    image_rate_warn: float = Field(4.0, ge=0, le=1000, description=(
        'fewer images a second are a warning; faces are looked for in 5'))
    image_rate_error: float = Field(0.5, ge=0, le=1000, description='likewise, an error')
    drops_warn: float = Field(0.05, ge=0, le=1, description=(
        'a share of the messages of one queue that gave way to newer ones'))
    drops_error: float = Field(0.5, ge=0, le=1, description='likewise, an error')
    gaps_warn: float = Field(1.0, ge=0, le=10_000, description=(
        'as many gaps in the audio, or losses of parts, within the window'))
    gaps_error: float = Field(10.0, ge=0, le=10_000, description='likewise, an error')
    skew_warn_s: float = Field(0.5, ge=0, le=3600, description=(
        'between the stamps of camera and microphone, by when their messages arrive'))
    skew_error_s: float = Field(2.0, ge=0, le=3600, description='likewise, an error')
    latency_warn_s: float = Field(1.0, ge=0, le=3600, description=(
        'from the last evidence to the estimate, 95 % of the final ones'))
    latency_error_s: float = Field(5.0, ge=0, le=3600, description='likewise, an error')
    memory_warn_mb: float = Field(0.0, ge=0, le=1e6, description=(
        'memory of the process that is resident, MB'))
    memory_error_mb: float = Field(0.0, ge=0, le=1e6, description='likewise, an error')
