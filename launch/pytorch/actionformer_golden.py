"""Computes Tests/Fixtures/actionformer_*.h5 with the published ActionFormer, float32 on the CPU.

    python launch/pytorch/actionformer_golden.py --source ACTIONFORMER --inputs Tests/Fixtures/actionformer_local_window.h5 --output new.h5

ACTIONFORMER is a checkout of github.com/happyharrycn/actionformer_release with its `nms_1d_cpu` extension built (libs/utils/setup.py). Parameters,
recordings and settings come from --inputs; targets, outputs, losses, gradients, one AdamW step and detections are computed.
"""
import golden
import pyramid
import torch

arguments = golden.parse(__doc__)
from libs.modeling import make_meta_arch  # noqa: E402
from libs.utils.train_utils import make_optimizer  # noqa: E402

file = golden.File(arguments, ["params", "videos"])
model = make_meta_arch(
    "LocPointTransformer", backbone_type="convTransformer", fpn_type=file.setting("fpn_type"), backbone_arch=file.setting("backbone_arch"),
    scale_factor=2, input_dim=file.setting("input_dim"), max_seq_len=file.setting("max_seq_len", file.setting("seq_len")), max_buffer_len_factor=4.0,
    n_head=file.setting("n_head"), n_mha_win_size=file.setting("n_mha_win_size"), embd_kernel_size=file.setting("embd_kernel_size", 3),
    embd_dim=file.setting("embd_dim"), embd_with_ln=True, fpn_dim=file.setting("fpn_dim", file.setting("embd_dim")), fpn_with_ln=True,
    fpn_start_level=0, head_dim=file.setting("head_dim", file.setting("embd_dim")), regression_range=file.setting("regression_range"),
    head_num_layers=file.setting("head_num_layers", 3), head_kernel_size=file.setting("head_kernel_size", 3), head_with_ln=True,
    use_abs_pe=bool(file.setting("use_abs_pe", False)), use_rel_pe=bool(file.setting("use_rel_pe", False)), num_classes=file.setting("num_classes"),
    train_cfg=pyramid.training(
        center_sample_radius=file.setting("center_sample_radius"), init_loss_norm=file.setting("loss_normalizer_before"),
        label_smoothing=file.setting("label_smoothing", 0.0)),
    test_cfg=pyramid.testing(file))
pyramid.load_parameters(file, model)
videos = pyramid.recordings(file)

model.eval()
pyramid.write_outputs(file, pyramid.outputs(model, videos))
pyramid.write_detections(file, model, videos)
with torch.no_grad():
    features, _ = model.neck(*model.backbone(*model.preprocessing(videos[:1])))
    targets = model.label_points(model.point_generator(features), [video["segments"] for video in videos], [video["labels"] for video in videos])
    for b, (classes, offsets) in enumerate(zip(*targets)):
        file.write(f"targets/{b}/cls", classes)
        file.write(f"targets/{b}/offsets", offsets)

model.train()
optimizer = make_optimizer(
    model, dict(type="AdamW", learning_rate=file.setting("learning_rate"), weight_decay=file.setting("weight_decay")))
losses = model(videos)
losses["final_loss"].backward()
for name, value in losses.items():
    file.write(f"losses/{name}", value)
pyramid.write_gradients(file, model)
file.new.attrs["grad_norm_before_clip"] = float(torch.nn.utils.clip_grad_norm_(model.parameters(), file.setting("clip_grad_l2norm")))
optimizer.step()
for name, parameter in model.named_parameters():
    file.write(f"params_after_adamw_step/{name}", parameter)
file.finish()
