"""What the golden scripts of pyramid detectors share (actionformer_golden.py, temporalmaxer.py): recordings, gradients, outputs, detections of a model."""
import torch


def load_parameters(file, model):
    """Gives the model the parameters of the file; all must be there."""
    parameters = dict(model.named_parameters())
    names = set(file.names("params"))
    if names != set(parameters):
        raise SystemExit(f"error: parameters differ: {sorted(names ^ set(parameters))}\n  do: check --source and the file's sizes")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.as_tensor(file.array(f"params/{name}")))


def recordings(file):
    """The recordings of the file, as the published models take them."""
    found = []
    for b in range(file.setting("batch")):
        group = file.old[f"videos/{b}"]
        feats, segments, labels = (torch.from_numpy(group[name][()]) for name in ("feats_ct", "segments", "labels"))
        found.append(
            dict(
                video_id=str(b), feats=feats, segments=segments, labels=labels, fps=file.setting("fps"), duration=float(group.attrs["duration"]),
                feat_stride=file.setting("feat_stride"), feat_num_frames=file.setting("feat_num_frames")))
    return found


def training(**changes):
    settings = dict(
        center_sample="radius", center_sample_radius=1.5, loss_weight=1.0, cls_prior_prob=0.01, init_loss_norm=100.0, clip_grad_l2norm=1.0,
        head_empty_cls=[], dropout=0.0, droppath=1e-9, label_smoothing=0.0)
    settings.update(changes)
    return settings


def testing(file):
    """The settings of detection, which the file keeps as `test_cfg.*`."""
    prefix = "test_cfg."
    settings = {key[len(prefix):]: file.setting(key) for key in file.old.attrs if key.startswith(prefix)}
    return dict(ext_score_file=None, **settings)


def write_gradients(file, model, missing_are_zero=True):
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        if gradient is None and missing_are_zero:
            gradient = torch.zeros_like(parameter)
        if gradient is not None:
            file.write(f"grads/{name}", gradient)


def outputs(model, videos):
    """Features, logits and offsets per level of all videos together, [B, C, T], in evaluation mode."""
    with torch.no_grad():
        _, masks = model.preprocessing(videos[:1])
        inputs = torch.stack([video["feats"] for video in videos])
        features, masks = model.neck(*model.backbone(inputs, masks.expand(len(videos), -1, -1)))
        return dict(fpn=features, cls_logits=model.cls_head(features, masks), offsets=model.reg_head(features, masks))


def write_outputs(file, found):
    for name, levels in found.items():
        for level, values in enumerate(levels):
            file.write(f"outputs/{name}/{level}", values)


def write_detections(file, model, videos):
    with torch.no_grad():
        for b, video in enumerate(videos):
            found = model([video])[0]
            for name, values in dict(segments_sec=found["segments"], scores=found["scores"], labels=found["labels"]).items():
                file.write(f"detections/{b}/{name}", values)
