//! The exported interface `retention`: convert, forward, convert back.

use secure_log::engine::{Kept, Pruned, PrunedStream, StreamPlan};
use secure_log::retention::PRESETS;

use crate::bindings::exports::secure_log::log::{retention, types};
use crate::convert;
use crate::exports::{Component, with};

impl retention::Guest for Component {
    fn presets() -> Vec<retention::Preset> {
        let preset = |preset: &secure_log::retention::Preset| retention::Preset {
            name: preset.name.into(),
            period: preset.period.to_string(),
            meant_for: preset.meant_for.into(),
        };
        PRESETS.iter().map(preset).collect()
    }

    fn plan(retention: String, after: u64, limit: u32) -> Result<Vec<retention::StreamPlan>, types::LogError> {
        let plans = with(|log| log.plan_pruning(&retention.parse()?, after, limit))?;
        Ok(plans.into_iter().map(plan).collect())
    }

    fn plan_stream(retention: String, stream_id: String) -> Result<retention::StreamPlan, types::LogError> {
        with(|log| log.plan_pruning_of(&retention.parse()?, &stream_id)).map(plan)
    }

    fn prune_all(retention: String, after: u64) -> Result<retention::Pruned, types::LogError> {
        with(|log| log.prune_all(&retention.parse()?, after)).map(pruned)
    }

    fn prune_stream(retention: String, stream_id: String) -> Result<retention::Pruned, types::LogError> {
        with(|log| log.prune(&retention.parse()?, &stream_id)).map(pruned)
    }
}

fn plan(plan: StreamPlan) -> retention::StreamPlan {
    let StreamPlan { stream, number, policy, floor, up_to, entries, bytes, on_record, stays, kept } = plan;
    retention::StreamPlan {
        stream_id: stream,
        number,
        policy: policy.to_string(),
        floor: floor.map(|floor| floor.to_string()),
        up_to,
        entries,
        bytes,
        on_record,
        stays,
        kept: kept.map(|(seqno, why)| retention::FirstKept { seqno, why: kept_for(why) }),
    }
}

fn kept_for(why: Kept) -> retention::Kept {
    match why {
        Kept::Policy => retention::Kept::Policy,
        Kept::Floor => retention::Kept::Floor,
        Kept::OpenSegment => retention::Kept::OpenSegment,
        Kept::UnsignedHead => retention::Kept::UnsignedHead,
        Kept::NoTime => retention::Kept::NoTime,
        Kept::NoKey => retention::Kept::NoKey,
    }
}

fn pruned(pruned: Pruned) -> retention::Pruned {
    let Pruned { streams, recorded, next } = pruned;
    retention::Pruned {
        streams: streams.into_iter().map(pruned_stream).collect(),
        commit: recorded.as_ref().map(convert::commit_info),
        next,
    }
}

fn pruned_stream(pruned: PrunedStream) -> retention::PrunedStream {
    let PrunedStream { stream, up_to, entries, bytes, recorded } = pruned;
    retention::PrunedStream { stream_id: stream, up_to, entries, bytes, recorded }
}
