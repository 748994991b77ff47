"""REQUEST → PROPOSAL: from the chunks of a streamed answer to one reply. Nothing is believed beyond its shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.errors import ModelRefused, ModelUnavailable
from contracts.ports import ModelReply, ToolCall

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionChunk

MAX_CALLS = 64
"""Tool calls of one reply. Whoever judges the reply allows far fewer."""


@dataclass
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""


class ReplyAssembly:
    """Adds chunk to chunk. `limit` bounds the characters of texts and arguments together."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._text = ""
        self._calls: dict[int, _Call] = {}
        self._model = ""
        self._tokens = (0, 0)
        self._is_whole = False

    def add(self, chunk: ChatCompletionChunk) -> None:
        """Take the next chunk.

        Raises:
            ModelRefused: the answer is too large, or the chunk is none.
        """
        try:
            self._add(chunk)
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise ModelRefused("the model's endpoint sent something that is no answer") from error

    def _add(self, chunk: ChatCompletionChunk) -> None:
        self._model = self._counted(chunk.model) if not self._model else self._model
        if chunk.usage is not None:
            self._tokens = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        if not chunk.choices:
            return  # the last chunk carries the usage only
        choice = chunk.choices[0]
        self._is_whole = self._is_whole or choice.finish_reason is not None
        self._text += self._counted(choice.delta.content)
        for part in choice.delta.tool_calls or ():
            if not isinstance(part.index, int):
                raise TypeError("the index of a tool call is a number")
            call = self._calls.setdefault(part.index, _Call())
            if len(self._calls) > MAX_CALLS:
                raise ModelRefused("the model's answer is too large")
            call.id = call.id or self._counted(part.id)
            if part.function is not None:
                call.name += self._counted(part.function.name)
                call.arguments += self._counted(part.function.arguments)

    def _counted(self, text: str | None) -> str:
        if text is None:
            return ""
        if not isinstance(text, str):
            raise TypeError("a text is a string")
        text.encode()  # half a surrogate pair is no text
        self._left -= len(text)
        if self._left < 0:
            raise ModelRefused("the model's answer is too large")
        return text

    def so_far(self) -> ModelReply:
        """Return what came until now: for looking, never for acting on."""
        return ModelReply(
            text=self._text,
            tool_calls=tuple(
                ToolCall(id=call.id, name=call.name, arguments=call.arguments)
                for _, call in sorted(self._calls.items())
            ),
            model=self._model,
        )

    def whole(self) -> ModelReply:
        """Return the reply.

        Raises:
            ModelUnavailable: the stream broke off; another attempt may help.
            ModelRefused: nothing in it was an answer.
        """
        if not self._is_whole:
            if not self._text and not self._calls:
                raise ModelRefused("the model's endpoint sent something that is no answer")
            raise ModelUnavailable("the model's answer broke off")
        read, written = self._tokens
        try:
            return ModelReply.model_validate(
                self.so_far().model_dump() | {"input_tokens": read, "output_tokens": written}
            )
        except ValueError as error:
            raise ModelRefused("the model's endpoint sent something that is no answer") from error
