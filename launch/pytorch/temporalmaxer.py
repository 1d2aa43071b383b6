"""Computes Tests/Fixtures/temporalmaxer_*.h5 with the published TemporalMaxer, float32 on the CPU.

    python launch/pytorch/temporalmaxer.py --source TEMPORALMAXER --inputs Tests/Fixtures/temporalmaxer_a.h5 --output new.h5

TEMPORALMAXER is a checkout of github.com/TuanTNG/TemporalMaxer with its `nms_1d_cpu` extension built (libs/utils/setup.py). Parameters, recordings and
settings come from --inputs; targets of SimOTA on the outputs of the same forward pass, outputs, losses, gradients and detections are computed.
"""
import golden
import pyramid

arguments = golden.parse(__doc__)
from libs.modeling import make_meta_arch  # noqa: E402

file = golden.File(arguments, ["params", "videos"])
assigner = {key.split(".")[1]: file.setting(key) for key in file.old.attrs if key.startswith("assigner.")}
settings = dict(
    backbone_type="convPooler", fpn_type=file.setting("fpn_type"), backbone_arch=file.setting("backbone_arch"), scale_factor=2,
    input_dim=file.setting("input_dim"), max_seq_len=file.setting("seq_len"), max_buffer_len_factor=4.0,
    embd_kernel_size=file.setting("embd_kernel_size"), embd_dim=file.setting("embd_dim"), embd_with_ln=True, fpn_dim=file.setting("fpn_dim"),
    fpn_with_ln=True, fpn_start_level=0, head_dim=file.setting("head_dim"), regression_range=file.setting("regression_range"),
    head_num_layers=file.setting("head_num_layers"), head_kernel_size=file.setting("head_kernel_size"), head_with_ln=True,
    num_classes=file.setting("num_classes"), assigner=assigner,
    train_cfg=pyramid.training(init_loss_norm=file.setting("loss_normalizer_before"), label_smoothing=file.setting("label_smoothing")),
    test_cfg=pyramid.testing(file))
if file.setting("fpn_norm"):
    settings["fpn_norm"] = file.setting("fpn_norm")
model = make_meta_arch("TemporalMaxerArchitecture", **settings)
pyramid.load_parameters(file, model)
videos = pyramid.recordings(file)

model.eval()
pyramid.write_outputs(file, pyramid.outputs(model, videos))
pyramid.write_detections(file, model, videos)

model.train()
published = model.get_target


def keeping(*values):
    """Writes the targets as the losses get them, which change them."""
    targets = published(*values)
    for b, (classes, offsets, weights) in enumerate(zip(targets["cls_targets"], targets["reg_targets"], targets["weights"])):
        for name, array in dict(cls=classes, offsets=offsets, weights=weights).items():
            file.write(f"targets/{b}/{name}", array.clone())
    return targets


model.get_target = keeping
losses = model(videos)
losses["final_loss"].backward()
for name, value in losses.items():
    file.write(f"losses/{name}", value)
pyramid.write_gradients(file, model)
file.new.attrs["loss_normalizer_after"] = model.loss_normalizer
file.finish()
