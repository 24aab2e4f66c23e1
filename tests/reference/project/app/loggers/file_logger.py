from patera.logging import LoggerBase


class FileLogger(LoggerBase):
    """File logger example"""
