class EntityNotFound(Exception):
    """Imported by the documented handler"""
