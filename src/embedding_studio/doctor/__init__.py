"""What is wrong, and what to do about it: with an installation, with the collections' tables, with events."""

from embedding_studio.doctor.events import all_well, doctor_events, events_json, show_events
from embedding_studio.doctor.installation import InstallationReport, doctor_installation, show_installation
from embedding_studio.doctor.tables import doctor, show

__all__ = [
    "InstallationReport",
    "all_well",
    "doctor",
    "doctor_events",
    "doctor_installation",
    "events_json",
    "show",
    "show_events",
    "show_installation",
]
