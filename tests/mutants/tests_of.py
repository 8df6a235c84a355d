"""Which tests should notice a change of a file."""

from collections.abc import Sequence

STRAIGHT_THROUGH = ("straight_through", "reinmax", "sigmoid_st")
RELAXATIONS = ("relaxation_gradients", "relaxations", "latents")
NOISE_LAWS = ("noise_laws", "noise_law_straight_through", "noise_law_relaxations")
LEARNED = ("learned", "baselines")
SITES = ("sites", "sites_and_modules")
SHARED = ("shared", "shared_runs")
MODULES = ("modules", "module_gradients", "module_refusals", *SITES, *SHARED)
ESTIMATORS = (
    *("unbiased", *STRAIGHT_THROUGH, *RELAXATIONS, "control_variates", *LEARNED),
    "conformance::test_config_selects_itself_and_has_the_defaults_of_its_class",
    "estimators_page::test_docstring_says_forward_backward_exact_cost_and_source",
)
INSTRUMENT = ("instrument", "measured_estimators")
REHEARSAL = ("rehearsal_weights", "rehearsal_buffers", "rehearsal_tasks", "rehearsal")
GAN = ("gan_games", "gan_critic", "gan_nets", "gan")
VAE = ("vae_enumerated", "pixels", "vae")
DATA_CHECKS = ("data_checks", "data_array_values", "data_of_tasks")
CONTRACT = ("contract", "contract_autograd")
COMPARABLE = ("comparable", "comparable_ways", "comparable_seeds")
CONTEST = ("report_contest", "verdict_words", "report_page")
RECORDER = ("recorder", "recorder_charts", "recorder_hparams", "recorder_resume")
GROUPS = ("groups", "group_runs")
REPORT = ("report", "report_columns", "scores_table")
NEAR_MISSES = ("words::test_a_near_miss_names_what_was_meant",)
# Beginning of a path in the package -> the tests that should notice, the likeliest first: a file,
# or one test of it.
TESTS: dict[str, Sequence[str]] = {
    "estimators/tools/contract": CONTRACT,
    "estimators/tools/gradients": ("rescaled_st", "straight_through", "exact", *LEARNED),
    "estimators/tools": ("exact", *LEARNED, "control_variates", *RELAXATIONS, "unbiased"),
    "estimators/schedule": ("schedule",),
    "estimators/exact": ("exact",),
    "estimators/antithetic": ("flips", "exact", *ESTIMATORS),
    "estimators/bitflip": ("flips", *ESTIMATORS),
    "estimators/gapped_st": ("mve", *STRAIGHT_THROUGH, *ESTIMATORS),
    "estimators/mve": ("mve", *ESTIMATORS),
    "estimators/node_perturbation": ("node_perturbation", *ESTIMATORS),
    "estimators/noise_law_st": (*NOISE_LAWS, *STRAIGHT_THROUGH, *ESTIMATORS),
    "estimators/reinmax_gumbel": ("reinmax_gumbel", *ESTIMATORS),
    "estimators/rescaled_st": ("rescaled_st", *ESTIMATORS),
    "estimators/rodeo": ("rodeo", *ESTIMATORS),
    "estimators/vimco": ("vimco",),
    "estimators": ("exact", *ESTIMATORS, "schedule"),
    "core/bengio_neurons": ("differentiable_neurons", "neurons"),
    "core/neurons": ("neurons", "differentiable_neurons", *STRAIGHT_THROUGH),
    "core/noise": ("noise", "philox", *CONTRACT),
    "core/laws": ("laws", *NOISE_LAWS),
    "core/network": (
        "module_gradients::test_the_units_of_all_uses_of_a_layer_stand_side_by_side",
        *("layers", "modules", "module_gradients", "module_refusals"),
    ),
    "core/layers": ("layers", "code_maps", "codes", "nets"),
    "core/sites": (*SITES, *SHARED, "binary", "binary_in_torch"),
    "core/site_noise": ("binary", "binary_in_torch", *SITES),
    "core/modules": MODULES,
    "core/passes": MODULES,
    "core/samples": MODULES,
    "core/stacked": MODULES,
    "core/trial": MODULES,
    "core": ("layers", "replicas", "steps", "golden"),
    "kernels": ("philox", "layers"),
    "measurement/gradients": ("gradients",),
    "measurement/choice": ("measured_estimators", "instrument", "build"),
    "measurement": (*INSTRUMENT, "observation", "evaluations", "gradients", *REHEARSAL),
    "training/compiled": ("compiled",),
    "training/rehearsal": REHEARSAL,
    "training/replicas": REHEARSAL,
    "training": (
        *("tally", "steps", "replicas", "checkpoint", "rates", "capture", "data_split"),
        *(*REHEARSAL, "golden", "options"),
    ),
    "tasks/gan": ("generated", *GAN, "data_of_tasks", "checkpoint"),
    "tasks/vae": (*VAE, "data_of_tasks"),
    "tasks/gated": ("gated",),
    "tasks/autoencoder": ("autoencoder", "codes"),
    "tasks/tools/codes": ("codes",),
    "tasks/toy": ("toy",),
    "tasks/structured": ("structured_prediction", "data_of_tasks"),
    "tasks": (
        *("classification", "evaluations", "structured_prediction", *VAE, "data_of_tasks"),
        *(*REHEARSAL, "golden"),
    ),
    "models/autoencoder": ("code_maps", "autoencoder", "codes"),
    "models/binary_weights": ("binary_weights", *SHARED),
    "models/logic": ("logic", *SHARED),
    "models/r": ("nets",),
    "models": ("layers", *VAE, "gated", "autoencoder", *GAN, "golden", "replicas"),
    "report/compare/comparable": COMPARABLE,
    "report/compare/field": (*COMPARABLE, *CONTEST, *REPORT, *GROUPS),
    "report/compare/group_means": GROUPS,
    "report/compare/power": ("power",),
    "report/compare/statistics": (*("statistics", "statistics_pairs", "statistics_simulated"),),
    "report/compare/tuning": ("fair", *COMPARABLE, "report_goals", *CONTEST),
    "report": (*CONTEST, "report_goals", "fair", *REPORT, *GROUPS),
    "recording/intervals": ("intervals",),
    "recording": ("metrics", *RECORDER, "result", "tags"),
    "data/arrays": ("data_arrays", *DATA_CHECKS, "data_kinds"),
    "data/array_file": ("data_arrays", *DATA_CHECKS, "data_kinds"),
    "data/checks": (*DATA_CHECKS, "data_kinds"),
    "data/base": ("data_split", *DATA_CHECKS),
    "data/batches": ("data_batches", "augment"),
    "data/amat": ("data_amat",),
    "data/augment": ("augment",),
    "data/cifar": ("data_cifar",),
    "data/omniglot": ("data_omniglot",),
    "data/download": ("data_download",),
    "data/files": ("data_idx", "data_download"),
    "data/idx": ("data_idx",),
    "data": ("data_batches", "data_split", "data_digits", "data_idx", "data_arrays"),
    "run/checkpoint": ("checkpoint",),
    "run/folder": ("cleaning", "damaged", "resume"),
    "run/identity": ("identity",),
    "run/resume": ("resume", "damaged"),
    "run/signs": ("shared_runs", "shared", "neurons"),
    "run/source": ("receipt",),
    "config/errors": ("bugs", "build", "texts"),
    "config/frames": ("bugs",),
    "config/near": ("words::test_the_nearest_name_is_meant", *NEAR_MISSES),
    "config/synonyms": ("synonyms",),
    "config/words": (
        "words::test_the_home_folder_is_meant_by_a_tilde",
        "words::test_flags_come_first_in_any_order",
        *NEAR_MISSES,
    ),
    "sweep/expansion": ("expansion",),
    "sweep/outcome": ("sweep_counts", "expansion"),
    "sweep/plan": ("expansion", "plan", "sweep_counts", "identity"),
}
