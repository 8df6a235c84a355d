"""The HParams tab keeps types and scores, and its filters lose no run."""

from pathlib import Path

import pytest
from recordings import ACCURACY, LOSS, NAN, SEEDS, curve, events, record
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.list_session_groups import Handler

from bnrun.recording.recorder import Recorder


def test_hparams_keep_their_types_and_come_with_scores(tmp_path: Path) -> None:
    hparams = {"neuron": "sbn", "optimizer.lr": 0.5, "epochs": 3}
    words = {"optimizer.nesterov": True, "model.hidden": [2, 3], "estimator.law": "logistic"}
    with Recorder(tmp_path, SEEDS) as recorder:
        recorder.write(record(40, {"a": [1.0] * 3}))
        recorder.hparams(hparams | words | {"clip": None}, {ACCURACY.hparam: 0.9, LOSS.hparam: NAN})
    content = events(tmp_path).SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content)
    kinds = {name: getattr(v, v.WhichOneof("kind")) for name, v in start.hparams.items()}
    assert kinds == hparams | {f"{name} (text)": str(value) for name, value in words.items()}
    assert curve(tmp_path, "score/test/accuracy/sampled") == [(40, pytest.approx(0.9))]
    assert LOSS.hparam not in events(tmp_path).Tags()["scalars"]
    # It would make TensorBoard show the columns of this run for all runs.
    tags = events(tmp_path).PluginTagToContent(metadata.PLUGIN_NAME)
    assert metadata.EXPERIMENT_TAG not in tags


def test_no_run_leaves_the_hparams_tab_if_every_value_is_ticked(tmp_path: Path) -> None:
    values = (None, 1.0, "word", True, [1, 2])
    for number, value in enumerate(values):
        (tmp_path / f"{number}").mkdir()
        with Recorder(tmp_path / f"{number}", SEEDS) as recorder:
            recorder.hparams({"trainer.clip_norm": value}, {ACCURACY.hparam: 0.5})
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(tmp_path)).Reload()
    provider = MultiplexerDataProvider(multiplexer, str(tmp_path))
    context = Context(TBContext(data_provider=provider))
    request = RequestContext()
    recorded = context.hparams_from_data_provider(request, "", limit=None)
    metadata_of_runs = context.hparams_metadata(request, "")
    columns = []
    for info in context.experiment_from_metadata(
        request, "", True, metadata_of_runs, recorded
    ).hparam_infos:
        column = api_pb2.ColParams(hparam=info.name)
        if info.HasField("domain_interval"):
            column.filter_interval.CopyFrom(info.domain_interval)
        else:
            column.filter_discrete.CopyFrom(info.domain_discrete)
        columns.append(column)
    every = api_pb2.ListSessionGroupsRequest(
        slice_size=100, col_params=columns, allowed_statuses=[api_pb2.STATUS_SUCCESS]
    )
    answer = Handler(
        request_context=request, backend_context=context, experiment_id="", request=every
    ).run()
    assert {column.hparam for column in columns} == {
        "trainer.clip_norm",
        "trainer.clip_norm (text)",
    }
    assert answer.total_size == len(values)
