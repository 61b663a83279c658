"""The pack's nodes, one flat list."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .apply_motion_adapter import ApplyMotionAdapter
from .apply_motion_embedding import ApplyMotionEmbedding
from .augment_reference_video import AugmentReferenceVideo
from .compare_videos import CompareVideos
from .debias_value_embedding import DebiasValueEmbedding
from .encode_reference_video import EncodeReferenceVideo
from .host import motion_previews, motion_uploads, selection_previews
from .host.example_clips import serve_example_clips
from .host.folders import register_folders
from .host.middlewares import add_middlewares, add_prompt_handler, add_routes
from .host.shared_sources import note_sources
from .host.template_order import sort_templates
from .inversion_noise_mix import InversionNoiseMix
from .invert_reference_video import InvertReferenceVideo
from .load_motion_adapter import LoadMotionAdapter
from .load_motion_embedding import LoadMotionEmbedding
from .load_reference_video import LoadReferenceVideo
from .load_video_model import LoadVideoDiffusionModel
from .motion_fidelity import MotionFidelity
from .motion_guidance import MotionGuidance
from .motion_reference_set import MotionReferenceSet
from .motion_report import MotionReport
from .recolour_reference_video import RecolourReferenceVideo
from .save_motion_adapter import SaveMotionAdapter
from .save_motion_embedding import SaveMotionEmbedding
from .stop_by_appearance import StopByAppearance
from .temporal_consistency import TemporalConsistency
from .text_similarity import TextSimilarity
from .track_motion import TrackMotion
from .train_motion_adapter import TrainMotionAdapter
from .train_motion_embedding import TrainMotionEmbedding


class MotionInversion(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        add_middlewares(serve_example_clips, sort_templates)
        add_routes(selection_previews.ROUTE, motion_uploads.ROUTE, motion_previews.ROUTE)
        add_prompt_handler(note_sources)
        register_folders()  # here, as the hosts of today never call on_load, and the nodes' lists need them
        return [
            LoadReferenceVideo,
            RecolourReferenceVideo,
            AugmentReferenceVideo,
            EncodeReferenceVideo,
            LoadVideoDiffusionModel,
            TrainMotionEmbedding,
            DebiasValueEmbedding,
            ApplyMotionEmbedding,
            InvertReferenceVideo,
            InversionNoiseMix,
            SaveMotionEmbedding,
            LoadMotionEmbedding,
            MotionReferenceSet,
            StopByAppearance,
            TrainMotionAdapter,
            ApplyMotionAdapter,
            SaveMotionAdapter,
            LoadMotionAdapter,
            MotionGuidance,
            TrackMotion,
            MotionFidelity,
            TextSimilarity,
            TemporalConsistency,
            CompareVideos,
            MotionReport,
        ]
