"""Fuzzing of the suite reader: programs of a few bytes change a good suite, layer by layer, with right digests.

choices    a program's bytes as a sequence of choices
programs   program -> the bytes of a suite
trees      changes of JSON
models     changes of ONNX graphs
reading    all that a reader does with a file before an engine sees it, and then the engine
watch      memory and time of one reading
loop       one process that tries programs, guided by coverage where atheris is there
corpus/    programs that reached something new

`make fuzz` runs it as long as wanted; tests replay the corpus, and try some more.
"""
