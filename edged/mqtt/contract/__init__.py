"""The contract of the terminal's messages: their models, and the AsyncAPI document made of them."""
