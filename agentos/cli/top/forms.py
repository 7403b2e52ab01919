"""What is asked before something is done: one line with a reason, a text, the fields of an edit."""

import json
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static, TextArea


class Ask(ModalScreen[str | None]):
    """One line, needed; None when it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back")]

    def __init__(self, title: str, question: str, does: str) -> None:
        super().__init__()
        self._title, self._question, self._does = title, question, does
        self.line = Input(max_length=1000, id="ask-line")

    def compose(self) -> ComposeResult:
        """Title, question, line, what Enter does."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = self._title
            yield Label(self._question)
            yield self.line
            yield Static(f"Enter: {self._does}   Esc: back", classes="hint", markup=False)

    @on(Input.Submitted, "#ask-line")
    def answered(self) -> None:
        """Only with something said."""
        if self.line.value.strip():
            self.dismiss(self.line.value.strip())


class Write(ModalScreen[str | None]):
    """A text of several lines; None when it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Back"),
        Binding("ctrl+s", "save", "Save", priority=True),
    ]

    def __init__(self, title: str, hint: str) -> None:
        super().__init__()
        self._title, self._hint = title, hint
        self.text = TextArea(id="write-text")

    def compose(self) -> ComposeResult:
        """The text and how it is kept."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = self._title
            yield Label(self._hint)
            yield self.text
            yield Static("Ctrl-S: save   Esc: back", classes="hint", markup=False)

    def action_save(self) -> None:
        """Only with something said."""
        if self.text.text.strip():
            self.dismiss(self.text.text.strip())


class Edit(ModalScreen[dict[str, Any] | None]):
    """What will be done, field by field: texts as texts, everything else as JSON. None when it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Back"),
        Binding("ctrl+s", "save", "Save", priority=True),
    ]

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__()
        self._content = content
        self.areas = {name: TextArea(_spelled(value), tab_behavior="focus") for name, value in content.items()}
        self.fault = Static(classes="fault", markup=False)

    def compose(self) -> ComposeResult:
        """A field a value."""
        with Vertical(classes="dialog tall") as dialog:
            dialog.border_title = "Change what will be done"
            with VerticalScroll(can_focus=False):
                for name, area in self.areas.items():
                    yield Label(name, markup=False)
                    yield area
            yield self.fault
            yield Static(
                "Placeholders such as <EMAIL_1> mean what they meant.  Tab: next field   Ctrl-S: save   Esc: back",
                classes="hint",
                markup=False,
            )

    def action_save(self) -> None:
        """Only when every field can be read."""
        edited: dict[str, Any] = {}
        for name, value in self._content.items():
            typed = self.areas[name].text
            try:
                edited[name] = typed if isinstance(value, str) else json.loads(typed)
            except ValueError as bad:
                self.fault.update(f"{name} is not valid JSON yet: {bad}")
                self.areas[name].focus()
                return
        self.dismiss(edited)


class Sure(ModalScreen[bool]):
    """The second step: yes or no, with no being what Enter does."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(False)", "Back")]

    def __init__(self, what: str, does: str) -> None:
        super().__init__()
        self._what, self._does = what, does

    def compose(self) -> ComposeResult:
        """What will happen, and two buttons."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Sure?"
            yield Static(self._what, markup=False)
            with Horizontal(classes="buttons"):
                yield Button("No, go back", id="no")
                yield Button(self._does, id="yes", variant="error")

    @on(Button.Pressed)
    def pressed(self, event: Button.Pressed) -> None:
        """Only the one button does it."""
        self.dismiss(event.button.id == "yes")


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
